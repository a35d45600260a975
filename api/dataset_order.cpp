// The virtual objects of a dataset's bucket: manifests, tars of an order, the order itself.
#include <algorithm>

#include "api/ascii.h"
#include "api/dataset.h"
#include "api/decrypted_object.h"
#include "api/encoding.h"
#include "api/encryption.h"
#include "api/receipts.h"

namespace api {
namespace {

using storage::dataset::OrderParameters;
using storage::dataset::OrderUse;
using storage::dataset::PositionRange;

// A page of a tar listing ends after so many samples at the latest: each tar's length is that of all its samples.
constexpr std::uint64_t kSamplesListedMax = 1'000'000;

std::string_view folder_of(OrderUse use) { return use == OrderUse::shards ? ".granary/shards/" : ".granary/batches/"; }

// An order that was asked for, ready to be read.
struct Asked {
  storage::SealedDatasetPtr dataset;
  OrderParameters parameters;
  storage::EpochOrderPtr order;
};

Failure order_failure(const storage::Error& error) {
  if (error == storage::Errc::invalid_argument) {
    return {S3Error::invalid_argument, "No sample has a value to draw by: there is nothing to draw"};
  }
  if (error == storage::Errc::too_large) {
    return {S3Error::invalid_request, "The dataset has more samples than draws are made of: ask with a query for some of them"};
  }
  return error;
}

// `text`: P as it stands in the key.
Task<Outcome<Asked>> ask(Call& call, std::string text, OrderUse use) {
  auto dataset = co_await dataset_of(call);
  if (!dataset) co_return dataset.error();
  auto parsed = storage::dataset::parse_order(text, use);
  if (!parsed.error.empty()) co_return invalid_argument("P", text, std::move(parsed.error));
  storage::SampleJudge judge;
  if (!parsed.parameters.query.empty()) {
    auto by_query = judge_of_query(parsed.parameters.query);
    if (!by_query) co_return by_query.error();
    judge = std::move(*by_query);
  }
  auto order = co_await call.store.epoch_order(*dataset, parsed.parameters, std::move(judge));
  if (!order) co_return order_failure(order.error());
  Asked asked;
  asked.dataset = std::move(*dataset);
  asked.parameters = std::move(parsed.parameters);
  asked.order = std::move(*order);
  co_return asked;
}

// What opening a body takes; both live as long as the service.
struct Opening {
  Keyring* keyring;
  storage::io::BufferPool* pool;
};

// Bodies as their clients wrote them.
Task<storage::Result<std::unique_ptr<storage::OpenObject>>> open_body(Opening with, std::unique_ptr<storage::OpenObject> body) {
  const std::string envelope = body->info()->controls.encryption;
  if (envelope.empty()) co_return std::move(body);
  auto keys = co_await open_keys(*with.keyring, envelope);
  if (!keys) co_return storage::Errc::corrupt_record;
  co_return std::make_unique<DecryptedObject>(std::move(body), std::move(*keys), *with.pool);
}

storage::TarRequest tar_request(Call& call, const Asked& asked, OrderUse use, std::uint64_t number, PositionRange positions) {
  storage::TarRequest request;
  request.dataset = asked.dataset;
  request.order = asked.order;
  request.positions = positions;
  request.drawn = asked.parameters.drawn();
  request.labels = asked.parameters.labels;
  request.etag = virtual_etag(folder_of(use), {asked.dataset->info().digest, asked.parameters.canonical(), to_decimal(number)});
  const Opening with{call.keyring, &call.store.request_pool()};
  request.opener = [with](std::unique_ptr<storage::OpenObject> body) { return open_body(with, std::move(body)); };
  return request;
}

std::vector<std::uint64_t> indices_of(const Asked& asked, const PositionRange& positions) {
  std::vector<std::uint64_t> indices;
  indices.reserve(positions.count);
  for (std::uint64_t i = 0; i < positions.count; ++i) indices.push_back(asked.order->index_at(positions.at(i)));
  return indices;
}

// P and the name behind it.
std::optional<std::pair<std::string, std::string>> cut_tar(const std::string& rest) {
  const std::size_t slash = rest.find('/');
  if (slash == std::string::npos) return std::nullopt;
  return std::pair(rest.substr(0, slash), rest.substr(slash + 1));
}

Task<Outcome<VirtualContent>> read_tar(Call& call, std::string rest, OrderUse use) {
  const auto parts = cut_tar(rest);
  if (!parts) co_return S3Error::no_such_key;
  auto asked = co_await ask(call, parts->first, use);
  if (!asked) co_return asked.error();
  const auto number = storage::dataset::parse_tar_name(parts->second);
  if (!number) co_return S3Error::no_such_key;
  const auto positions = storage::dataset::tar_positions(asked->parameters, asked->order->positions(), *number);
  if (!positions) co_return S3Error::no_such_key;
  if (auto allowed = co_await check_samples(call, asked->dataset, indices_of(*asked, *positions)); !allowed) {
    co_return allowed.error();
  }
  auto tar = co_await call.store.open_tar(tar_request(call, *asked, use, *number, *positions));
  if (!tar) co_return tar.error();
  if (!call.head() && call.receipts != nullptr) {
    Receipt receipt;
    receipt.dataset_id = asked->dataset->info().id;
    receipt.order = parts->first;
    receipt.user = call.anonymous() ? std::string() : call.user().name;
    receipt.from = positions->first;
    receipt.to = positions->at(positions->count - 1) + 1;
    receipt.time_ms = call.clock.wall_ms();
    call.receipts->add(std::move(receipt));
  }
  VirtualContent content;
  content.object = std::move(*tar);
  co_return content;
}

Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_tars(Call& call, std::string after, std::uint32_t limit, OrderUse use) {
  std::vector<storage::ObjectInfoPtr> entries;
  const std::string prefix(call.target.parameter("prefix").value_or(""));
  const std::string_view folder = folder_of(use);
  if (call.bucket->dataset_bucket.empty() || !prefix.starts_with(folder)) co_return entries;
  // Only a whole P says what there is.
  const std::size_t slash = prefix.find('/', folder.size());
  if (slash == std::string::npos) co_return entries;
  const std::string text = prefix.substr(folder.size(), slash - folder.size());
  auto asked = co_await ask(call, text, use);
  if (!asked) co_return asked.error();
  const std::uint64_t tars = storage::dataset::tar_count(asked->parameters, asked->order->positions());
  const std::string beneath = prefix.substr(0, slash + 1);
  std::uint64_t number = 0;
  if (after > beneath) {
    const auto last = storage::dataset::parse_tar_name(std::string_view(after).substr(beneath.size()));
    if (last && after.starts_with(beneath)) number = *last + 1;
  }
  std::uint64_t samples = 0;
  for (; number < tars && entries.size() < limit && samples < kSamplesListedMax; ++number) {
    const auto positions = storage::dataset::tar_positions(asked->parameters, asked->order->positions(), number);
    const std::string key = beneath + storage::dataset::tar_name(number);
    samples += positions->count;
    if (!key.starts_with(prefix.substr(0, std::min(prefix.size(), key.size()))) || key <= after) continue;
    if (auto allowed = co_await check_samples(call, asked->dataset, indices_of(*asked, *positions)); !allowed) {
      co_return allowed.error();
    }
    auto tar = co_await call.store.open_tar(tar_request(call, *asked, use, number, *positions));
    if (!tar) co_return tar.error();
    auto info = std::make_shared<storage::ObjectInfo>(*(*tar)->info());
    info->key = key;
    entries.push_back(std::move(info));
  }
  if (number < tars && samples >= kSamplesListedMax && !entries.empty() && entries.size() < limit) entries.push_back(nullptr);
  co_return entries;
}

Task<Outcome<VirtualContent>> read_manifest(Call& call, storage::ManifestKind kind) {
  auto dataset = co_await dataset_of(call);
  if (!dataset) co_return dataset.error();
  if (auto allowed = co_await check_samples(call, *dataset, {}); !allowed) co_return allowed.error();
  std::string etag =
      virtual_etag(kind == storage::ManifestKind::csv ? "manifest.csv" : "manifest.jsonl", {(*dataset)->info().digest});
  VirtualContent content;
  content.object = call.store.open_manifest(std::move(*dataset), kind, std::move(etag));
  co_return content;
}

Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_manifest(Call& call, std::string after, storage::ManifestKind kind) {
  std::vector<storage::ObjectInfoPtr> entries;
  const std::string key = kind == storage::ManifestKind::csv ? ".granary/manifest.csv" : ".granary/manifest.jsonl";
  if (call.bucket->dataset_bucket.empty() || after >= key) co_return entries;
  auto content = co_await read_manifest(call, kind);
  if (!content) co_return content.error();
  auto info = std::make_shared<storage::ObjectInfo>(*content->object->info());
  info->key = key;
  entries.push_back(std::move(info));
  co_return entries;
}

// The lines of an order, in order.
class OrderText final : public AnswerText {
 public:
  explicit OrderText(Asked asked)
      : asked_(std::move(asked)), positions_(storage::dataset::positions_of(asked_.parameters, asked_.order->positions())) {}

  Task<Outcome<bool>> more(std::string& to) override {
    const std::size_t wanted = to.size() + kAnswerPieceBytes;
    for (; next_ < positions_.count && to.size() < wanted; ++next_) {
      const std::uint64_t position = positions_.at(next_);
      const std::uint64_t index = asked_.order->index_at(position);
      const auto sample = co_await asked_.dataset->sample(index);
      if (!sample) co_return Failure(sample.error());
      to += storage::dataset::order_line(position, index, (*sample)->facts.key);
    }
    co_return next_ < positions_.count;
  }

 private:
  Asked asked_;
  PositionRange positions_;
  std::uint64_t next_ = 0;
};

}  // namespace

Task<Outcome<storage::SealedDatasetPtr>> dataset_of(Call& call) {
  if (call.bucket->dataset_bucket.empty()) co_return S3Error::no_such_key;
  auto dataset = co_await call.store.open_dataset_bucket(call.target.bucket);
  if (!dataset) co_return dataset.error();
  co_return std::move(*dataset);
}

Task<Outcome<>> check_samples(Call& call, storage::SealedDatasetPtr dataset, std::vector<std::uint64_t> indices) {
  if (!dataset->info().mixed_access && call.authorizer.owns_outright(call, *call.bucket)) co_return done();
  const std::uint64_t count = indices.empty() ? dataset->info().count : indices.size();
  if (count > kSamplesJudgedMax) {
    co_return Failure(S3Error::access_denied, "Whether you may read all of these samples takes more decisions than are made");
  }
  std::sort(indices.begin(), indices.end());
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto sample = co_await dataset->sample(indices.empty() ? i : indices[i]);
    if (!sample) co_return sample.error();
    const storage::ObjectInfo& info = *(*sample)->info;
    if (auto allowed = call.authorizer.check_source(call, *call.bucket, info.key, false, info); !allowed) co_return allowed;
  }
  co_return done();
}

Task<Outcome<VirtualContent>> read_json_manifest(Call& call, std::string) {
  co_return co_await read_manifest(call, storage::ManifestKind::json_lines);
}
Task<Outcome<VirtualContent>> read_csv_manifest(Call& call, std::string) {
  co_return co_await read_manifest(call, storage::ManifestKind::csv);
}
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_json_manifest(Call& call, std::string after, std::uint32_t) {
  co_return co_await list_manifest(call, std::move(after), storage::ManifestKind::json_lines);
}
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_csv_manifest(Call& call, std::string after, std::uint32_t) {
  co_return co_await list_manifest(call, std::move(after), storage::ManifestKind::csv);
}
Task<Outcome<VirtualContent>> read_shard(Call& call, std::string rest) {
  co_return co_await read_tar(call, std::move(rest), OrderUse::shards);
}
Task<Outcome<VirtualContent>> read_batch(Call& call, std::string rest) {
  co_return co_await read_tar(call, std::move(rest), OrderUse::batches);
}
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_shards(Call& call, std::string after, std::uint32_t limit) {
  co_return co_await list_tars(call, std::move(after), limit, OrderUse::shards);
}
Task<Outcome<std::vector<storage::ObjectInfoPtr>>> list_batches(Call& call, std::string after, std::uint32_t limit) {
  co_return co_await list_tars(call, std::move(after), limit, OrderUse::batches);
}

Task<Outcome<VirtualContent>> read_order(Call& call, std::string rest) {
  auto asked = co_await ask(call, rest, OrderUse::order);
  if (!asked) co_return asked.error();
  const PositionRange positions = storage::dataset::positions_of(asked->parameters, asked->order->positions());
  // Every sample is in an order that is not drawn, if it begins at the beginning and all ranks are one.
  std::vector<std::uint64_t> indices;
  if (positions.count != asked->dataset->info().count || asked->parameters.drawn()) {
    if (positions.count > kSamplesJudgedMax * 16) {
      co_return Failure(S3Error::invalid_request, "The order has too many positions: ask for fewer by start, rank and world");
    }
    indices = indices_of(*asked, positions);
  }
  if (positions.count > 0) {
    if (auto allowed = co_await check_samples(call, asked->dataset, std::move(indices)); !allowed) co_return allowed.error();
  }
  VirtualContent content;
  content.content_type = kJsonLinesType;
  content.text = std::make_unique<OrderText>(std::move(*asked));
  co_return content;
}

}  // namespace api
