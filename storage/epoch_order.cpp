// The order of an epoch. Orders that ask about labels read all of them once, and what came of it is shared by those who ask again.
#include <map>
#include <variant>

#include "storage/dataset/draw.h"
#include "storage/dataset/permutation.h"
#include "storage/dataset/selection.h"
#include "storage/dataset_shelf.h"
#include "storage/object_store_state.h"

namespace storage {
namespace {

// Draws keep some bytes a sample in memory: from more samples than this there are none.
constexpr std::uint64_t kDrawEntriesMax = std::uint64_t{1} << 22;

using dataset::BalancedDraw;
using dataset::OrderParameters;
using dataset::Selection;
using dataset::WeightedDraw;

using SelectionPtr = std::shared_ptr<const Selection>;
using BalancedPtr = std::shared_ptr<const BalancedDraw>;
using WeightedPtr = std::shared_ptr<const WeightedDraw>;

// Calls for each sample that matches, in order; the label scan that everything here is made of.
class LabelScan {
 public:
  LabelScan(SealedDatasetPtr dataset, SampleJudge judge) : dataset_(std::move(dataset)), judge_(std::move(judge)) {}

  // The next samples that match; empty after the last.
  Task<Result<std::vector<SealedSamplePtr>>> next() {
    std::vector<SealedSamplePtr> matching;
    while (matching.empty() && at_ < dataset_->info().count) {
      auto samples = co_await dataset_->samples(at_, SealedDataset::kSamplesPerPageMax);
      if (!samples) co_return samples.error();
      at_ += samples->size();
      for (SealedSamplePtr& sample : *samples) {
        if (!judge_ || judge_(*sample->info, sample->facts.labels) == SampleVerdict::take) matching.push_back(std::move(sample));
      }
    }
    co_return matching;
  }

 private:
  SealedDatasetPtr dataset_;
  SampleJudge judge_;
  std::uint64_t at_ = 0;
};

Task<Result<SelectionPtr>> make_selection(SealedDatasetPtr dataset, SampleJudge judge) {
  auto selection = std::make_shared<Selection>(dataset->info().count);
  LabelScan scan(dataset, std::move(judge));
  while (true) {
    auto samples = co_await scan.next();
    if (!samples) co_return samples.error();
    if (samples->empty()) break;
    for (const SealedSamplePtr& sample : *samples) selection->add(sample->index);
  }
  selection->finish();
  co_return SelectionPtr(std::move(selection));
}

struct Balance {
  BalancedPtr draw;
  std::uint64_t matches = 0;
};

struct Weighting {
  WeightedPtr draw;
  std::uint64_t matches = 0;
};

Task<Result<Balance>> make_balance(SealedDatasetPtr dataset, SampleJudge judge, std::string name) {
  std::map<labels::Value, std::vector<std::uint32_t>> classes;
  std::uint64_t entries = 0;
  Balance balance;
  LabelScan scan(dataset, std::move(judge));
  while (true) {
    auto samples = co_await scan.next();
    if (!samples) co_return samples.error();
    if (samples->empty()) break;
    for (const SealedSamplePtr& sample : *samples) {
      ++balance.matches;
      const auto* const values = sample->facts.labels.find(name);
      if (values == nullptr) continue;
      entries += values->size();
      if (entries > kDrawEntriesMax) co_return Errc::too_large;
      for (const labels::Value& value : *values) classes[value].push_back(static_cast<std::uint32_t>(sample->index));
    }
  }
  std::vector<std::uint32_t> members;
  std::vector<std::uint64_t> ends;
  members.reserve(entries);
  for (const auto& [value, indices] : classes) {
    members.insert(members.end(), indices.begin(), indices.end());
    ends.push_back(members.size());
  }
  balance.draw = std::make_shared<const BalancedDraw>(std::move(members), std::move(ends));
  co_return balance;
}

// Of several numbers their sum: each is a ticket.
double weight_of(const labels::LabelSet::Values& values) {
  double sum = 0;
  for (const labels::Value& value : values) {
    if (value.kind() == labels::Kind::number && value.number() > 0) sum += value.number();
  }
  return sum;
}

Task<Result<Weighting>> make_weighting(SealedDatasetPtr dataset, SampleJudge judge, std::string name) {
  auto draw = std::make_shared<WeightedDraw>();
  Weighting weighting;
  std::uint64_t entries = 0;
  LabelScan scan(dataset, std::move(judge));
  while (true) {
    auto samples = co_await scan.next();
    if (!samples) co_return samples.error();
    if (samples->empty()) break;
    for (const SealedSamplePtr& sample : *samples) {
      ++weighting.matches;
      const auto* const values = sample->facts.labels.find(name);
      if (values == nullptr) continue;
      if (++entries > kDrawEntriesMax) co_return Errc::too_large;
      draw->add(static_cast<std::uint32_t>(sample->index), weight_of(*values));
    }
  }
  draw->finish();
  weighting.draw = std::move(draw);
  co_return weighting;
}

class Order final : public EpochOrder {
 public:
  using How = std::variant<std::monostate, SelectionPtr, Balance, Weighting>;

  Order(const SealedDataset& dataset, const OrderParameters& parameters, How how)
      : how_(std::move(how)),
        positions_(count(dataset.info().count)),
        sealed_(parameters.sealed_order),
        words_(key(dataset, parameters)),
        permutation_(key(dataset, parameters), positions_) {}

  std::uint64_t positions() const override { return positions_; }

  std::uint64_t index_at(std::uint64_t position) const override {
    if (const auto* const balance = std::get_if<Balance>(&how_)) return balance->draw->at(words_, position);
    if (const auto* const weighting = std::get_if<Weighting>(&how_)) return weighting->draw->at(words_, position);
    const std::uint64_t place = sealed_ ? position : permutation_.at(position);
    const auto* const selection = std::get_if<SelectionPtr>(&how_);
    return selection != nullptr ? (*selection)->select(place) : place;
  }

  std::optional<std::uint64_t> position_of(std::uint64_t index) const override {
    if (std::holds_alternative<Balance>(how_) || std::holds_alternative<Weighting>(how_)) return std::nullopt;
    std::uint64_t place = index;
    if (const auto* const selection = std::get_if<SelectionPtr>(&how_)) {
      if (!(*selection)->contains(index)) return std::nullopt;
      place = (*selection)->rank(index);
    }
    return sealed_ ? place : permutation_.position_of(place);
  }

 private:
  static dataset::OrderKey key(const SealedDataset& dataset, const OrderParameters& parameters) {
    if (parameters.sealed_order) return {dataset.info().digest, 0, 0};
    return {dataset.info().digest, parameters.seed, parameters.epoch};
  }

  std::uint64_t count(std::uint64_t samples) const {
    if (const auto* const selection = std::get_if<SelectionPtr>(&how_)) return (*selection)->count();
    if (const auto* const balance = std::get_if<Balance>(&how_)) return balance->matches;
    if (const auto* const weighting = std::get_if<Weighting>(&how_)) return weighting->matches;
    return samples;
  }

  How how_;
  std::uint64_t positions_;
  bool sealed_;
  dataset::DrawWords words_;
  dataset::Permutation permutation_;
};

// What is on the shelf under `key`, or what `make` makes of the labels.
template <class Thing>
std::shared_ptr<const Thing> shelved(DatasetShelf& shelf, const std::string& key) {
  return std::static_pointer_cast<const Thing>(shelf.orders.get(key));
}

}  // namespace

Task<Result<EpochOrderPtr>> ObjectStore::State::epoch_order(SealedDatasetPtr dataset, OrderParameters parameters,
                                                            SampleJudge judge) {
  Order::How how;
  const std::string of = dataset->info().id + parameters.query + '\0';
  if (!parameters.balance.empty()) {
    const std::string key = of + 'b' + parameters.balance;
    auto balance = shelved<Balance>(*shelf, key);
    if (balance == nullptr) {
      auto made = co_await make_balance(dataset, std::move(judge), parameters.balance);
      if (!made) co_return made.error();
      balance = std::make_shared<const Balance>(std::move(*made));
      shelf->orders.put(key, balance, balance->draw->memory_bytes() + key.size() + 128);
    }
    if (balance->draw->empty()) co_return Errc::invalid_argument;
    how = *balance;
  } else if (!parameters.weight.empty()) {
    const std::string key = of + 'w' + parameters.weight;
    auto weighting = shelved<Weighting>(*shelf, key);
    if (weighting == nullptr) {
      auto made = co_await make_weighting(dataset, std::move(judge), parameters.weight);
      if (!made) co_return made.error();
      weighting = std::make_shared<const Weighting>(std::move(*made));
      shelf->orders.put(key, weighting, weighting->draw->memory_bytes() + key.size() + 128);
    }
    if (weighting->draw->empty()) co_return Errc::invalid_argument;
    how = *weighting;
  } else if (judge) {
    const std::string key = of + 'q';
    auto selection = shelved<Selection>(*shelf, key);
    if (selection == nullptr) {
      auto made = co_await make_selection(dataset, std::move(judge));
      if (!made) co_return made.error();
      selection = std::move(*made);
      shelf->orders.put(key, selection, selection->memory_bytes() + key.size() + 128);
    }
    how = std::move(selection);
  }
  co_return EpochOrderPtr(std::make_shared<const Order>(*dataset, parameters, std::move(how)));
}

Task<Result<EpochOrderPtr>> ObjectStore::epoch_order(SealedDatasetPtr dataset, OrderParameters parameters, SampleJudge judge) {
  co_return co_await state_->epoch_order(std::move(dataset), std::move(parameters), std::move(judge));
}

}  // namespace storage
