// .granary/diff/D/E: what became of the samples of D in E.
#include <algorithm>

#include "api/dataset.h"

namespace api {
namespace {

using storage::SealedDatasetPtr;
using storage::SealedSample;
using storage::SealedSamplePtr;

// The samples of a dataset by key.
class ByKey {
 public:
  explicit ByKey(SealedDatasetPtr dataset) : dataset_(std::move(dataset)) {}

  // Null behind the last.
  Task<storage::Result<SealedSamplePtr>> current() {
    if (place_ == dataset_->info().count) co_return SealedSamplePtr();
    auto index = co_await dataset_->index_at(place_);
    if (!index) co_return index.error();
    const bool at_hand = !ahead_.empty() && *index >= ahead_.front()->index && *index - ahead_.front()->index < ahead_.size();
    if (!at_hand) {
      auto samples = co_await dataset_->samples(*index, dataset_->in_key_order() ? 256 : 1);
      if (!samples) co_return samples.error();
      ahead_ = std::move(*samples);
    }
    co_return ahead_[*index - ahead_.front()->index];
  }
  void advance() { ++place_; }

 private:
  SealedDatasetPtr dataset_;
  std::uint64_t place_ = 0;
  std::vector<SealedSamplePtr> ahead_;
};

template <class Pairs>
Pairs sorted(Pairs pairs) {
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

bool same_content(const SealedSample& a, const SealedSample& b) {
  return a.facts.etag == b.facts.etag && a.facts.size == b.facts.size && a.facts.content_type == b.facts.content_type;
}

bool same_labels(const SealedSample& a, const SealedSample& b) {
  const auto& x = a.facts.annotations;
  const auto& y = b.facts.annotations;
  const bool annotations = std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const auto& one, const auto& other) {
    return one.name == other.name && one.etag == other.etag;
  });
  return annotations && a.facts.rule_labels == b.facts.rule_labels && a.facts.labels == b.facts.labels &&
         sorted(a.facts.tags) == sorted(b.facts.tags) && sorted(a.facts.metadata) == sorted(b.facts.metadata);
}

class DiffText final : public AnswerText {
 public:
  DiffText(const Call& call, SealedDatasetPtr from, SealedDatasetPtr to, storage::BucketInfoPtr from_bucket,
           storage::BucketInfoPtr to_bucket)
      : call_(call),
        from_(std::move(from)),
        to_(std::move(to)),
        from_bucket_(std::move(from_bucket)),
        to_bucket_(std::move(to_bucket)) {}

  Task<Outcome<bool>> more(std::string& to) override {
    const std::size_t wanted = to.size() + kAnswerPieceBytes;
    while (to.size() < wanted) {
      const auto before = co_await from_.current();
      if (!before) co_return Failure(before.error());
      const auto after = co_await to_.current();
      if (!after) co_return Failure(after.error());
      if (*before == nullptr && *after == nullptr) co_return false;
      if (*after == nullptr || (*before != nullptr && (*before)->facts.key < (*after)->facts.key)) {
        add(to, **before, nullptr, "removed");
        from_.advance();
      } else if (*before == nullptr || (*after)->facts.key < (*before)->facts.key) {
        add(to, **after, nullptr, "added");
        to_.advance();
      } else {
        if (!same_content(**before, **after)) {
          add(to, **before, after->get(), "content");
        } else if (!same_labels(**before, **after)) {
          add(to, **before, after->get(), "labels");
        }
        from_.advance();
        to_.advance();
      }
    }
    co_return true;
  }

 private:
  bool may_read(const storage::BucketInfo& bucket, const SealedSample& sample) const {
    return call_.authorizer.check_source(call_, bucket, sample.info->key, false, *sample.info).has_value();
  }

  // What the caller may not read is left out.
  void add(std::string& to, const SealedSample& sample, const SealedSample* other, std::string_view change) const {
    const bool added = change == "added";
    if (!may_read(added ? *to_bucket_ : *from_bucket_, sample)) return;
    if (other != nullptr && !may_read(*to_bucket_, *other)) return;
    to += "{\"key\":";
    storage::labels::append_json(to, std::string_view(sample.facts.key));
    to.append(",\"change\":\"").append(change).append("\"}\n");
  }

  const Call& call_;
  ByKey from_;
  ByKey to_;
  storage::BucketInfoPtr from_bucket_;
  storage::BucketInfoPtr to_bucket_;
};

Task<Outcome<SealedDatasetPtr>> find(Call& call, std::string name) {
  auto dataset = co_await call.store.open_dataset(call.target.bucket, std::move(name));
  if (!dataset && dataset.error() == storage::Errc::not_found) co_return S3Error::no_such_key;
  if (!dataset) co_return dataset.error();
  co_return std::move(*dataset);
}

}  // namespace

Task<Outcome<VirtualContent>> read_diff(Call& call, std::string rest) {
  const std::size_t slash = rest.find('/');
  if (!call.bucket->dataset_bucket.empty() || slash == std::string::npos) co_return S3Error::no_such_key;
  auto from = co_await find(call, rest.substr(0, slash));
  if (!from) co_return from.error();
  auto to = co_await find(call, rest.substr(slash + 1));
  if (!to) co_return to.error();
  const auto from_bucket = co_await (*from)->bucket();
  if (!from_bucket) co_return from_bucket.error();
  const auto to_bucket = co_await (*to)->bucket();
  if (!to_bucket) co_return to_bucket.error();
  VirtualContent content;
  content.content_type = kJsonLinesType;
  content.text = std::make_unique<DiffText>(call, std::move(*from), std::move(*to), *from_bucket, *to_bucket);
  co_return content;
}

}  // namespace api
