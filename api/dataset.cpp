#include "api/dataset.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "api/ascii.h"
#include "api/digest.h"
#include "api/encoding.h"
#include "api/envelope.h"
#include "storage/dataset/splits.h"
#include "storage/labels/query.h"

namespace api {
namespace {

using nlohmann::json;
using storage::SealFailure;
using storage::SampleVerdict;

// A list of keys is the longest that a seal can be asked with.
constexpr std::size_t kSealBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kSealKeysMax = 1'000'000;
constexpr int kSealDepthMax = 4;

Failure refused(std::string message) { return {S3Error::invalid_argument, std::move(message)}; }

storage::labels::ObjectFacts facts_of(const storage::ObjectInfo& version) {
  return {version.key, version.size, version.modified_ms, version.attributes.content_type, version.etag};
}

// Sealing an object that only a client's key opens would seal something that no tar can give.
bool is_customer_encrypted(const storage::ObjectInfo& version) {
  if (version.controls.encryption.empty()) return false;
  const auto envelope = Envelope::parse(version.controls.encryption);
  return !envelope || envelope->kind == EncryptionKind::customer;
}

std::optional<json> parse_document(std::string_view text) {
  std::vector<std::set<std::string>> names;
  bool sound = true;
  const json::parser_callback_t check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kSealDepthMax) sound = false;
    if (event == json::parse_event_t::object_start) names.emplace_back();
    if (event == json::parse_event_t::object_end && !names.empty()) names.pop_back();
    if (event == json::parse_event_t::key && !names.empty()) {
      sound = names.back().insert(value.get<std::string>()).second && sound;
    }
    return sound;
  };
  json document = json::parse(text.begin(), text.end(), check, /*allow_exceptions=*/false);
  if (document.is_discarded() || !document.is_object() || !sound) return std::nullopt;
  return document;
}

// The values of a label, or of object.key and the like, as texts.
std::vector<std::string> texts_of(const std::string& name, const storage::ObjectInfo& version,
                                  const storage::labels::LabelSet& labels) {
  std::vector<std::string> texts;
  const auto add = [&texts](const storage::labels::Value& value) {
    if (value.kind() == storage::labels::Kind::string) {
      texts.push_back(value.text());
    } else {
      storage::labels::append_json(texts.emplace_back(), value);
    }
  };
  if (const auto fact = storage::labels::fact(name, facts_of(version))) {
    add(*fact);
    return texts;
  }
  const auto* const values = labels.find(name);
  if (values == nullptr) return texts;
  for (const storage::labels::Value& value : *values) add(value);
  return texts;
}

// Reads the members of a seal's document into a request.
class SealReader {
 public:
  explicit SealReader(storage::SealRequest& request) : request_(request) {}

  Outcome<> read(const json& document) {
    for (const auto& [name, value] : document.items()) {
      if (auto taken = take(name, value); !taken) return taken;
    }
    const int sources = (has_query_ && !has_parent_ ? 1 : 0) + (request_.keys ? 1 : 0) + (has_parent_ ? 1 : 0);
    if (sources != 1 || (request_.keys && has_query_)) {
      return refused("A dataset is sealed from one of query, keys, and dataset with an optional query");
    }
    if (!storage::dataset::Splits::valid(request_.splits)) {
      return refused("The fractions of splits must not be negative nor sum to more than 1");
    }
    return judge();
  }

 private:
  Outcome<> take(const std::string& name, const json& value) {
    if (name == "query") {
      has_query_ = true;
      return text(name, value, request_.query);
    }
    if (name == "dataset") {
      has_parent_ = true;
      return text(name, value, request_.parent);
    }
    if (name == "group_by") return text(name, value, request_.group_by);
    if (name == "keys") return keys(value);
    if (name == "splits") return splits(value);
    if (name == "split_seed") {
      if (!value.is_number_unsigned()) return refused("split_seed must be a number from 0 to 18446744073709551615");
      request_.split_seed = value.get<std::uint64_t>();
      return done();
    }
    return refused("A dataset has no member " + name);
  }

  static Outcome<> text(const std::string& name, const json& value, std::string& into) {
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) return refused(name + " must be a text that is not empty");
    into = value.get<std::string>();
    return done();
  }

  Outcome<> keys(const json& value) {
    if (!value.is_array() || value.size() > kSealKeysMax) return refused("keys must be a list of at most 1000000 keys");
    request_.keys.emplace();
    for (const json& key : value) {
      if (!key.is_string()) return refused("keys must be a list of keys");
      request_.keys->push_back(key.get<std::string>());
    }
    return done();
  }

  Outcome<> splits(const json& value) {
    if (!value.is_object() || value.empty() || value.size() > storage::dataset::Splits::kSplitsMax) {
      return refused("splits must have from 1 to 64 names with their fractions");
    }
    for (const auto& [name, fraction] : value.items()) {
      if (!fraction.is_number()) return refused("The fraction of a split must be a number");
      if (!storage::dataset::is_dataset_name(name)) return refused("A split cannot be called " + name);
      request_.splits[name] = fraction.get<double>();
    }
    return done();
  }

  Outcome<> judge() {
    auto by_query = judge_of_query(request_.query);
    if (!by_query) return by_query.error();
    request_.judge = [by_query = std::move(*by_query)](const storage::ObjectInfo& version,
                                                       const storage::labels::LabelSet& labels) {
      const SampleVerdict verdict = by_query(version, labels);
      return verdict == SampleVerdict::take && is_customer_encrypted(version) ? SampleVerdict::refuse : verdict;
    };
    request_.groups = [group_by = request_.group_by](const storage::ObjectInfo& version,
                                                     const storage::labels::LabelSet& labels) {
      return texts_of(group_by, version, labels);
    };
    return done();
  }

  storage::SealRequest& request_;
  bool has_query_ = false;
  bool has_parent_ = false;
};

Failure seal_failure(const Call& call, const storage::Error& error, const SealFailure& failure, const std::string& name) {
  switch (failure.what) {
    case SealFailure::What::name_taken:
      return Failure(S3Error::bucket_already_exists, "The name " + failure.text + " is taken")
          .with("BucketName", failure.text.find('.') != std::string::npos ? failure.text : failure.text + '.' + call.target.bucket);
    case SealFailure::What::no_parent:
      return refused("There is no dataset " + failure.text);
    case SealFailure::What::no_samples:
      return refused("No object matches: a dataset cannot be empty");
    case SealFailure::What::missing_key:
      return refused("There is no object " + failure.text).with("Key", failure.text);
    case SealFailure::What::repeated_key:
      return refused("The key " + failure.text + " is given more than once").with("Key", failure.text);
    case SealFailure::What::refused_key:
      return refused("The object " + failure.text + " is encrypted with a client's key and cannot be sealed")
          .with("Key", failure.text);
    case SealFailure::What::several_groups:
      return refused("The object " + failure.text + " has several values of group_by").with("Key", failure.text);
    case SealFailure::What::none:
      break;
  }
  if (error == storage::Errc::invalid_argument) {
    return refused("A dataset cannot be called " + name + ": names have lower-case letters, digits and inner hyphens, and with the "
                   "bucket's behind a dot at most 63 characters");
  }
  return error;
}

std::string json_quoted(std::string_view text) {
  std::string result;
  storage::labels::append_json(result, text);
  return result;
}

std::string dataset_json(const storage::DatasetInfo& info) {
  const auto or_null = [](const std::string& text) { return text.empty() ? std::string("null") : json_quoted(text); };
  std::string text = "{\"name\":" + json_quoted(info.name) + ",\"bucket\":" + json_quoted(info.bucket) + ",\"query\":" + or_null(info.query);
  text += ",\"count\":" + to_decimal(info.count) + ",\"bytes\":" + to_decimal(info.bytes);
  text += ",\"digest\":\"" + to_hex(info.digest) + "\",\"sealed_at\":" + json_quoted(storage::labels::modified_text(info.sealed_ms));
  text += ",\"sealed_by\":" + json_quoted(info.sealed_by) + ",\"parents\":[";
  for (std::size_t i = 0; i < info.parents.size(); ++i) text += (i > 0 ? "," : "") + json_quoted(info.parents[i]);
  text += "],\"group_by\":" + or_null(info.group_by) + ",\"splits\":{";
  for (std::size_t i = 0; i < info.splits.size(); ++i) {
    const storage::DatasetSplitInfo& split = info.splits[i];
    text += (i > 0 ? "," : "") + json_quoted(split.name) + ":{\"dataset\":" + json_quoted(split.dataset);
    text += ",\"count\":" + to_decimal(split.count) + '}';
  }
  return text += "}}\n";
}

// The bytes and the ETag of .granary/datasets/D.
std::unique_ptr<storage::OpenObject> describe(const storage::DatasetInfo& info) {
  std::string text = dataset_json(info);
  std::string etag = virtual_etag("dataset", {text});
  return text_object(std::move(text), std::move(etag), info.sealed_ms, kJsonType);
}

class TextReader final : public storage::ObjectReader {
 public:
  TextReader(std::shared_ptr<const std::string> text, std::uint64_t offset, std::uint64_t length)
      : text_(std::move(text)), offset_(offset), length_(length) {}
  Task<storage::Result<Chunk>> next() override {
    Chunk chunk;
    if (length_ > 0) {
      chunk.bytes = std::as_bytes(std::span(text_->data() + offset_, length_));
      chunk.owner = text_;
      length_ = 0;
    }
    co_return chunk;
  }

 private:
  std::shared_ptr<const std::string> text_;
  std::uint64_t offset_;
  std::uint64_t length_;
};

class TextObject final : public storage::OpenObject {
 public:
  TextObject(std::string text, storage::ObjectInfoPtr info)
      : text_(std::make_shared<const std::string>(std::move(text))), info_(std::move(info)) {}
  const storage::ObjectInfoPtr& info() const override { return info_; }
  std::unique_ptr<storage::ObjectReader> read(std::uint64_t offset, std::uint64_t length) override {
    return std::make_unique<TextReader>(text_, offset, length);
  }

 private:
  std::shared_ptr<const std::string> text_;
  storage::ObjectInfoPtr info_;
};

}  // namespace

std::unique_ptr<storage::OpenObject> text_object(std::string text, std::string etag, std::int64_t modified_ms,
                                                 std::string_view content_type) {
  auto info = std::make_shared<storage::ObjectInfo>();
  info->size = text.size();
  info->stored_size = text.size();
  info->etag = std::move(etag);
  info->modified_ms = modified_ms;
  info->version_id = "null";
  info->attributes.content_type = content_type;
  return std::make_unique<TextObject>(std::move(text), std::move(info));
}

std::string virtual_etag(std::string_view kind, const std::vector<std::string>& parts) {
  std::string text("granary-virtual-1");
  text.append(1, '\0').append(kind);
  for (const std::string& part : parts) text.append(1, '\0').append(part);
  const Sha256Digest digest = sha256(text);
  return to_hex(std::string_view(reinterpret_cast<const char*>(digest.data()), 20)) + "-1";
}

Outcome<storage::SampleJudge> judge_of_query(std::string_view query) {
  storage::labels::QueryPtr parsed;
  if (!query.empty()) {
    auto outcome = storage::labels::parse_query(query);
    if (const auto* const error = std::get_if<storage::labels::QueryError>(&outcome)) return refused(error->message());
    parsed = std::get<storage::labels::QueryPtr>(std::move(outcome));
  }
  parsed = storage::labels::without_quarantined(std::move(parsed));
  storage::SampleJudge judge = [parsed](const storage::ObjectInfo& version, const storage::labels::LabelSet& labels) {
    return parsed == nullptr || storage::labels::holds(*parsed, labels, facts_of(version)) ? SampleVerdict::take : SampleVerdict::leave;
  };
  return judge;
}

SampleVerdict SealedReader::operator()(const storage::ObjectInfo& version, const storage::labels::LabelSet& labels) const {
  if (judge(version, labels) != SampleVerdict::take) return SampleVerdict::leave;
  const bool readable = call->authorizer.check_source(*call, *call->bucket, version.key, false, version).has_value();
  return readable ? SampleVerdict::take : SampleVerdict::leave;
}

Task<Outcome<VirtualContent>> read_dataset(Call& call, std::string rest) {
  if (!call.bucket->dataset_bucket.empty()) co_return S3Error::no_such_key;
  const auto info = co_await call.store.dataset(call.target.bucket, rest);
  if (!info && info.error() == storage::Errc::not_found) co_return S3Error::no_such_key;
  if (!info) co_return info.error();
  VirtualContent content;
  content.object = describe(**info);
  co_return content;
}

Task<Outcome<>> write_dataset(Call& call, std::string rest, storage::BodySource& body) {
  if (!call.bucket->dataset_bucket.empty()) co_return S3Error::method_not_allowed;
  auto text = co_await read_document(call, body, kSealBytesMax);
  if (!text) co_return text.error();
  const auto document = parse_document(*text);
  if (!document) co_return refused("The description of a dataset must be one JSON object");
  storage::SealRequest request;
  request.name = rest;
  request.sealed_by = call.anonymous() ? std::string() : call.user().name;
  SealReader reader(request);
  if (auto read = reader.read(*document); !read) co_return read.error();
  SealFailure failure;
  const auto sealed = co_await call.store.seal(call.target.bucket, std::move(request), &failure);
  if (!sealed) co_return seal_failure(call, sealed.error(), failure, rest);
  co_return done();
}

Task<Outcome<>> remove_dataset(Call& call, std::string rest) {
  if (!call.bucket->dataset_bucket.empty()) co_return S3Error::method_not_allowed;
  const auto dropped = co_await call.store.drop_dataset(call.target.bucket, rest);
  if (!dropped && dropped.error() != storage::Errc::not_found) co_return dropped.error();
  co_return done();
}

Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_dataset_keys(Call& call, std::string after, std::uint32_t limit) {
  std::vector<storage::ObjectInfoPtr> entries;
  if (!call.bucket->dataset_bucket.empty()) co_return entries;
  constexpr std::string_view kPrefix = ".granary/datasets/";
  std::string after_name;
  if (after.starts_with(kPrefix)) {
    after_name = after.substr(kPrefix.size());
  } else if (after > kPrefix) {
    co_return entries;
  }
  auto datasets = co_await call.store.datasets(call.target.bucket, after_name, limit);
  if (!datasets) co_return datasets.error();
  for (const storage::DatasetInfoPtr& each : *datasets) {
    auto info = std::make_shared<storage::ObjectInfo>(*describe(*each)->info());
    info->key = std::string(kPrefix) + each->name;
    entries.push_back(std::move(info));
  }
  co_return entries;
}

}  // namespace api
