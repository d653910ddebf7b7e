/**
 * The part of libsrtp 3's interface that the mediasoup worker uses, over libsrtp 2. Owns the translation of calls:
 * libsrtp 3 has an opaque policy that is filled by setters, and reads from one buffer while it writes to another;
 * libsrtp 2 has an open struct and works in place. C++ overloads let both live under the names of libsrtp 3.
 */
#ifndef ANTIPODE_SRTP_H
#define ANTIPODE_SRTP_H

#define srtp_policy_t srtp2_policy
#include <srtp2/srtp.h>
#undef srtp_policy_t

#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

/** Error codes that libsrtp 2 doesn't have, with the numbers of libsrtp 3. */
inline constexpr auto srtp_err_status_buffer_small = static_cast<srtp_err_status_t>(28);
inline constexpr auto srtp_err_status_cryptex_err  = static_cast<srtp_err_status_t>(29);

namespace antipode_srtp
{
	struct Policy
	{
		srtp2_policy inner{};
		/** Master key followed by master salt, which is where libsrtp 2 looks for the salt. */
		unsigned char key[SRTP_MAX_KEY_LEN]{};
		srtp_profile_t profile{ srtp_profile_reserved };
	};

	/** SRTCP adds an index of four octets to what SRTP adds. */
	inline constexpr size_t SrtcpIndexLength = 4;

	using InPlace = srtp_err_status_t (*)(srtp_t, void*, int*);

	/**
	 * Copies the packet to `out` and lets libsrtp 2 transform it there. `outLength` is the room in `out` before the call
	 * and the packet's new length after it. `growth` is the most that the transformation may add.
	 */
	inline srtp_err_status_t Transform(
	  InPlace inPlace, srtp_t ctx, const uint8_t* in, size_t inLength, uint8_t* out, size_t* outLength, size_t growth)
	{
		if (inLength > INT_MAX - growth)
		{
			return srtp_err_status_bad_param;
		}

		if (*outLength < inLength + growth)
		{
			return srtp_err_status_buffer_small;
		}

		if (in != out)
		{
			std::memmove(out, in, inLength);
		}

		int length                     = static_cast<int>(inLength);
		const srtp_err_status_t status = inPlace(ctx, out, &length);

		if (status == srtp_err_status_ok)
		{
			*outLength = static_cast<size_t>(length);
		}

		return status;
	}
} // namespace antipode_srtp

using srtp_policy_t = antipode_srtp::Policy*;

inline srtp_err_status_t srtp_policy_create(srtp_policy_t* policy)
{
	*policy = new (std::nothrow) antipode_srtp::Policy();

	return *policy ? srtp_err_status_ok : srtp_err_status_alloc_fail;
}

inline void srtp_policy_destroy(srtp_policy_t policy)
{
	delete policy;
}

inline srtp_err_status_t srtp_policy_set_ssrc(srtp_policy_t policy, srtp_ssrc_t ssrc)
{
	policy->inner.ssrc = ssrc;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_profile(srtp_policy_t policy, srtp_profile_t profile)
{
	const srtp_err_status_t status = srtp_crypto_policy_set_from_profile_for_rtp(&policy->inner.rtp, profile);

	if (status != srtp_err_status_ok)
	{
		return status;
	}

	policy->profile = profile;

	return srtp_crypto_policy_set_from_profile_for_rtcp(&policy->inner.rtcp, profile);
}

inline srtp_err_status_t srtp_policy_add_key(
  srtp_policy_t policy,
  const uint8_t* key,
  size_t keyLength,
  const uint8_t* salt,
  size_t saltLength,
  const uint8_t* mki,
  size_t mkiLength)
{
	if (mki || mkiLength != 0 || policy->inner.key)
	{
		// The worker uses one key and no master key identifier.
		return srtp_err_status_bad_param;
	}

	if (
	  keyLength != srtp_profile_get_master_key_length(policy->profile) ||
	  saltLength != srtp_profile_get_master_salt_length(policy->profile) || keyLength + saltLength > sizeof(policy->key))
	{
		return srtp_err_status_bad_param;
	}

	std::memcpy(policy->key, key, keyLength);
	std::memcpy(policy->key + keyLength, salt, saltLength);
	policy->inner.key = policy->key;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_allow_repeat_tx(srtp_policy_t policy, bool allow)
{
	policy->inner.allow_repeat_tx = allow ? 1 : 0;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_window_size(srtp_policy_t policy, size_t size)
{
	policy->inner.window_size = static_cast<unsigned long>(size);

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_create(srtp_t* session, srtp_policy_t policy)
{
	return srtp_create(session, static_cast<const srtp2_policy*>(&policy->inner));
}

inline srtp_err_status_t srtp_stream_remove(srtp_t session, uint32_t ssrcInNetworkOrder)
{
	return srtp_remove_stream(session, ssrcInNetworkOrder);
}

inline srtp_err_status_t srtp_protect(
  srtp_t ctx, const uint8_t* rtp, size_t rtpLength, uint8_t* srtp, size_t* srtpLength, size_t mkiIndex)
{
	if (mkiIndex != 0)
	{
		return srtp_err_status_bad_mki;
	}

	return antipode_srtp::Transform(srtp_protect, ctx, rtp, rtpLength, srtp, srtpLength, SRTP_MAX_TAG_LEN);
}

inline srtp_err_status_t srtp_unprotect(
  srtp_t ctx, const uint8_t* srtp, size_t srtpLength, uint8_t* rtp, size_t* rtpLength)
{
	return antipode_srtp::Transform(srtp_unprotect, ctx, srtp, srtpLength, rtp, rtpLength, 0);
}

inline srtp_err_status_t srtp_protect_rtcp(
  srtp_t ctx, const uint8_t* rtcp, size_t rtcpLength, uint8_t* srtcp, size_t* srtcpLength, size_t mkiIndex)
{
	if (mkiIndex != 0)
	{
		return srtp_err_status_bad_mki;
	}

	return antipode_srtp::Transform(
	  srtp_protect_rtcp, ctx, rtcp, rtcpLength, srtcp, srtcpLength, SRTP_MAX_TAG_LEN + antipode_srtp::SrtcpIndexLength);
}

inline srtp_err_status_t srtp_unprotect_rtcp(
  srtp_t ctx, const uint8_t* srtcp, size_t srtcpLength, uint8_t* rtcp, size_t* rtcpLength)
{
	return antipode_srtp::Transform(srtp_unprotect_rtcp, ctx, srtcp, srtcpLength, rtcp, rtcpLength, 0);
}

#endif
