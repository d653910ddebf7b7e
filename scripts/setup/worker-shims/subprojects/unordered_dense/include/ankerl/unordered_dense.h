/**
 * The names of ankerl::unordered_dense that the mediasoup worker uses, over the standard containers. They differ in
 * speed alone: where the dense containers invalidate iterators and references, the standard ones keep more of them.
 */
#ifndef ANTIPODE_UNORDERED_DENSE_H
#define ANTIPODE_UNORDERED_DENSE_H

#include <functional>
#include <unordered_map>
#include <unordered_set>

namespace ankerl::unordered_dense
{
	template<typename Key>
	using hash = std::hash<Key>;

	template<typename Key, typename Value, typename Hash = hash<Key>, typename Equal = std::equal_to<Key>>
	using map = std::unordered_map<Key, Value, Hash, Equal>;

	template<typename Key, typename Hash = hash<Key>, typename Equal = std::equal_to<Key>>
	using set = std::unordered_set<Key, Hash, Equal>;
} // namespace ankerl::unordered_dense

#endif
