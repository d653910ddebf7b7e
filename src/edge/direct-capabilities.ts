/** What our direct transports receive: Opus with our header extensions, and no feedback, since nothing is sent again. */
import type { Router, RtpCapabilities } from 'mediasoup/types';

export function directCapabilities(router: Pick<Router, 'rtpCapabilities'>): RtpCapabilities {
  const { codecs, headerExtensions } = router.rtpCapabilities;
  return { codecs: codecs?.map((codec) => ({ ...codec, rtcpFeedback: [] })), headerExtensions };
}
