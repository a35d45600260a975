#include "api/keyring.h"

#include <mutex>

#include "api/ascii.h"
#include "api/encoding.h"
#include "api/sealed_chunks.h"
#include "storage/base/log.h"

namespace api {
namespace {

// No bucket of a client begins with a tilde (is_bucket_name), so nobody can read, list or remove this one.
constexpr char kBucket[] = "~encryption";
constexpr char kSetting[] = "store_key";
constexpr std::string_view kOpen = "open ";        // then the key, base64
constexpr std::string_view kWrapped = "wrapped ";  // then the wrapping key's name and the wrapped key, base64
constexpr std::string_view kContext = "granary store key 1";

// The name of the key that wraps a kept one; empty when it lies open.
std::string wrapping_of(std::string_view text) {
  if (!text.starts_with(kWrapped)) return {};
  std::string_view rest = text.substr(kWrapped.size());
  return from_base64(cut(rest, ' ')).value_or("");
}

}  // namespace

struct Keyring::Loaded {
  std::mutex mutex;
  SecretKeyPtr key;
};

Keyring::Keyring(storage::ObjectStore& store, const EncryptionOptions& options)
    : store_(store), options_(options), loaded_(std::make_unique<Loaded>()) {}
Keyring::~Keyring() = default;

Keyring::Named Keyring::find(std::string_view key_id) const {
  auto found = options_.keys.find(key_id);
  if (found == options_.keys.end() && key_id.starts_with("arn:")) {
    const std::size_t at = key_id.find_last_of(":/");
    found = options_.keys.find(key_id.substr(at + 1));
  }
  if (found == options_.keys.end()) return {};
  return {found->first, found->second};
}

Keyring::Named Keyring::default_key() const {
  return options_.default_key.empty() ? Named{} : find(options_.default_key);
}

Keyring::Named Keyring::wrapping_key() const {
  if (options_.keys.empty()) return {};
  const Named named = default_key();
  return named.key ? named : Named{options_.keys.begin()->first, options_.keys.begin()->second};
}

std::string Keyring::encode(const SecretKey& key) const {
  const Named wrapping = wrapping_key();
  std::string text;
  if (!wrapping.key) return text.append(kOpen).append(to_base64(key.view()));
  text.append(kWrapped).append(to_base64(wrapping.name)).append(" ");
  return text.append(to_base64(wrap_key(*wrapping.key, key, kContext)));
}

storage::Result<SecretKeyPtr> Keyring::decode(std::string_view text) const {
  if (text.starts_with(kOpen)) {
    auto key = SecretKey::from_base64(text.substr(kOpen.size()));
    if (!key) return storage::Errc::corrupt_record;
    return std::make_shared<const SecretKey>(std::move(*key));
  }
  if (!text.starts_with(kWrapped)) return storage::Errc::unsupported;
  std::string_view rest = text.substr(kWrapped.size());
  const auto name = from_base64(cut(rest, ' '));
  const auto wrapped = from_base64(rest);
  if (!name || !wrapped) return storage::Errc::corrupt_record;
  const Named wrapping = find(*name);
  if (!wrapping.key) {
    storage::log_error("encryption_key_missing", {{"key", *name}, {"needed_for", "the store's own key"}});
    return storage::Errc::unsupported;
  }
  auto key = unwrap_key(*wrapping.key, *wrapped, kContext);
  if (!key) {
    storage::log_error("encryption_key_wrong", {{"key", *name}, {"needed_for", "the store's own key"}});
    return storage::Errc::unsupported;
  }
  return std::make_shared<const SecretKey>(std::move(*key));
}

storage::Task<storage::Result<SecretKeyPtr>> Keyring::store_key() {
  {
    const std::scoped_lock lock(loaded_->mutex);
    if (loaded_->key) co_return loaded_->key;
  }
  if (auto loaded = co_await load(); !loaded) co_return loaded.error();
  const std::scoped_lock lock(loaded_->mutex);
  co_return loaded_->key;
}

// Several tasks may come here at once: the bucket is made once, and its setting written by the first.
storage::Task<storage::Result<>> Keyring::load() {
  auto bucket = co_await store_.bucket(kBucket);
  if (!bucket && bucket.error() == storage::Errc::bucket_not_found) {
    storage::BucketInfo made;
    made.name = kBucket;
    made.settings.emplace(kSetting, encode(SecretKey::random()));
    const auto created = co_await store_.create_bucket(std::move(made));
    if (!created && created.error() != storage::Errc::bucket_exists) co_return created.error();
    bucket = co_await store_.bucket(kBucket);
  }
  if (!bucket) co_return bucket.error();
  const auto setting = (*bucket)->settings.find(kSetting);
  if (setting == (*bucket)->settings.end()) co_return storage::Errc::corrupt_record;
  const auto key = decode(setting->second);
  if (!key) co_return key.error();
  if (wrapping_of(setting->second) != wrapping_key().name && !options_.keys.empty()) {
    const std::string wrapped = encode(**key);
    const std::function<storage::Result<>(storage::BucketInfo&)> change = [&wrapped](storage::BucketInfo& next) {
      next.settings[kSetting] = wrapped;
      return storage::success();
    };
    const auto changed = co_await store_.change_bucket(kBucket, change);
    if (!changed) co_return changed.error();
  }
  const std::scoped_lock lock(loaded_->mutex);
  loaded_->key = *key;
  co_return storage::success();
}

}  // namespace api
