// .granary/seen/KEY: which datasets hold an object, and who read it there.
#include <algorithm>

#include "api/ascii.h"
#include "api/dataset.h"
#include "api/encoding.h"
#include "api/receipts.h"
#include "storage/labels/query.h"

namespace api {
namespace {

using storage::dataset::OrderParameters;
using storage::dataset::OrderUse;

constexpr std::uint32_t kReceiptRowsMax = 1000;            // of a dataset, newest first
constexpr std::uint64_t kDrawnPositionsMax = 1'000'000;  // looked through for one answer

struct Sessions {
  std::string text;                  // the JSON objects, comma-separated
  std::uint64_t positions_left = kDrawnPositionsMax;
  bool stopped = false;
};

void append_member(std::string& to, std::string_view name, std::string_view value) {
  storage::labels::append_json(to, name);
  to += ':';
  storage::labels::append_json(to, value);
}

bool belongs(const OrderParameters& parameters, std::uint64_t position) {
  return position >= parameters.start && (position - parameters.start) % parameters.world == parameters.rank;
}

// Whether the read of the receipt met the sample. Drawn orders are looked through, as far as the answer's share goes.
bool met(const storage::EpochOrder& order, const OrderParameters& parameters, const storage::Receipt& receipt,
         std::uint64_t index, Sessions& sessions) {
  if (!parameters.drawn()) {
    const auto position = order.position_of(index);
    return position && *position >= receipt.from && *position < receipt.to && belongs(parameters, *position);
  }
  const std::uint64_t end = std::min(receipt.to, order.positions());
  for (std::uint64_t position = receipt.from; position < end; ++position) {
    if (!belongs(parameters, position)) continue;
    if (sessions.positions_left == 0) {
      sessions.stopped = true;
      return false;
    }
    --sessions.positions_left;
    if (order.index_at(position) == index) return true;
  }
  return false;
}

// The order that a receipt speaks of; null for one that means nothing any more.
Task<Outcome<storage::EpochOrderPtr>> order_of(Call& call, storage::SealedDatasetPtr dataset, OrderParameters parameters) {
  storage::SampleJudge judge;
  if (!parameters.query.empty()) {
    auto by_query = judge_of_query(parameters.query);
    if (!by_query) co_return storage::EpochOrderPtr();
    judge = std::move(*by_query);
  }
  auto order = co_await call.store.epoch_order(std::move(dataset), std::move(parameters), std::move(judge));
  if (!order) co_return order.error();
  co_return std::move(*order);
}

Task<Outcome<>> add_sessions(Call& call, storage::SealedDatasetPtr dataset, std::uint64_t index, Sessions& sessions) {
  const auto receipts = co_await call.store.receipts(dataset->info().id, kReceiptRowsMax);
  if (!receipts) co_return receipts.error();
  for (const storage::Receipt& receipt : *receipts) {
    const auto parsed = storage::dataset::parse_order(receipt.order, OrderUse::batches);
    if (!parsed.error.empty()) continue;
    const auto order = co_await order_of(call, dataset, parsed.parameters);
    if (!order) co_return order.error();
    if (*order == nullptr || !met(**order, parsed.parameters, receipt, index, sessions)) continue;
    std::string& text = sessions.text;
    text += text.empty() ? "{" : ",{";
    append_member(text, "dataset", dataset->info().name);
    text += ',';
    append_member(text, "order", receipt.order);
    text += ",\"from\":" + to_decimal(receipt.from) + ",\"to\":" + to_decimal(receipt.to) + ',';
    append_member(text, "user", receipt.user);
    text += ',';
    append_member(text, "time", storage::labels::modified_text(receipt.time_ms));
    text += '}';
  }
  co_return done();
}

}  // namespace

Task<Outcome<VirtualContent>> read_seen(Call& call, std::string rest) {
  if (!call.bucket->dataset_bucket.empty()) co_return S3Error::no_such_key;
  if (call.receipts != nullptr) co_await call.receipts->flush();
  std::string datasets;
  Sessions sessions;
  std::string after;
  while (true) {
    const auto page = co_await call.store.datasets(call.target.bucket, after, 1000);
    if (!page) co_return page.error();
    for (const storage::DatasetInfoPtr& info : *page) {
      auto dataset = co_await call.store.open_dataset(call.target.bucket, info->name);
      if (!dataset && dataset.error() == storage::Errc::not_found) continue;
      if (!dataset) co_return dataset.error();
      const auto sample = co_await (*dataset)->find(rest);
      if (!sample && sample.error() == storage::Errc::not_found) continue;
      if (!sample) co_return sample.error();
      const auto bucket = co_await (*dataset)->bucket();
      if (!bucket) co_return bucket.error();
      if (!call.authorizer.check_source(call, **bucket, rest, false, *(*sample)->info)) continue;
      datasets += datasets.empty() ? "{" : ",{";
      append_member(datasets, "name", info->name);
      datasets += ",\"digest\":\"" + to_hex(info->digest) + "\",";
      append_member(datasets, "version", (*sample)->facts.version);
      datasets += '}';
      if (auto added = co_await add_sessions(call, *dataset, (*sample)->index, sessions); !added) co_return added.error();
    }
    if (page->size() < 1000) break;
    after = page->back()->name;
  }
  std::string text = "{";
  append_member(text, "key", rest);
  text += ",\"datasets\":[" + datasets + "],\"sessions\":[" + sessions.text + ']';
  if (sessions.stopped) text += ",\"stopped_after\":" + to_decimal(kDrawnPositionsMax);
  VirtualContent content;
  content.text = std::make_unique<WholeText>(text + "}\n");
  co_return content;
}

}  // namespace api
