#include "storage/segment/stripe_scrubber.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <numeric>

#include "storage/base/log.h"
#include "storage/segment/shard_mover.h"

namespace storage::segment {
namespace asio = boost::asio;

namespace {

const char* what_is_wrong(ShardState state) {
  if (state == ShardState::refused) return "unreadable";
  return state == ShardState::payload ? "header" : "payload";
}

// The members may have moved since it was written.
bool same_zone(const Result<ZoneHeader>& found, const ZoneHeader& wanted) {
  return found && found->store == wanted.store && found->drive == wanted.drive &&
         found->segment == wanted.segment && found->epoch == wanted.epoch && found->zone == wanted.zone &&
         found->shard_index == wanted.shard_index && found->scheme == wanted.scheme;
}

}  // namespace

Task<Result<ScrubStep>> StripeScrubber::step(ScrubRequest request) {
  const Executor executor = co_await asio::this_coro::executor;
  SegmentPtr segment = context_.table.find(request.segment);
  if (!segment) co_return Errc::not_found;
  if (request.pool == nullptr || request.first_block == 0) co_return Errc::invalid_argument;
  if (!segment->quiet()) co_return Errc::conflict;
  ScrubStep step;
  std::vector<unsigned> first(segment->width());
  std::iota(first.begin(), first.end(), 0U);
  if (request.member) {
    const std::optional<unsigned> shard = segment->placement()->shard_on(*request.member);
    if (!shard) co_return step;
    first.assign(1, *shard);
  }
  const std::uint32_t end_block = segment->end_block();
  if (request.first_block >= end_block) co_return step;
  const std::uint32_t blocks =
      std::min(StripeWindow::blocks_max(segment->width()), end_block - request.first_block);
  Result<StripeWindow> window =
      co_await StripeWindow::make(context_, segment, request.first_block, blocks, *request.pool);
  if (!window) co_return window.error();
  co_await window->load(std::move(first));
  std::uint32_t at = request.first_block;
  while (true) {
    StripeWindow::Next next = co_await window->next(at);
    at = next.block;
    if (!next.stripe) break;
    Result<> checked = co_await check(request, *window, *next.stripe, step);
    if (!checked) co_return checked.error();
    at = next.stripe->end_block();
    co_await asio::post(executor, use_task);  // clients of this thread come in between
  }
  step.bytes = window->bytes_read();
  // A segment without a stripe may be one whose opening a cut ended before its headers.
  if (request.first_block == 1 && step.stripes > 0) {
    Result<> headers = co_await check_zone_headers(request, segment, step);
    if (!headers) co_return headers.error();
  }
  step.next_block = at < end_block ? at : 0;
  co_return step;
}

// What reads and writes of zone headers need that a stuck drive does not end.
struct StripeScrubber::Kept {
  PlacementPtr placement;
  io::Buffer memory;
};

// Verifies to whom the zones are bound and writes anew what is damaged, with the members of now.
Task<Result<>> StripeScrubber::check_zone_headers(const ScrubRequest& request, SegmentPtr segment,
                                                  ScrubStep& step) {
  const unsigned width = segment->width();
  Result<io::Buffer> memory =
      co_await request.pool->take(width * io::kBlockBytes, context_.options.wait_ms_max);
  if (!memory) co_return memory.error();
  const auto kept = std::make_shared<Kept>();
  kept->placement = segment->placement();
  kept->memory = std::move(*memory);
  const PlacementPtr& placement = kept->placement;
  SegmentRecord record = segment->record();
  record.members = placement->members();
  std::vector<io::PatientOperation> reads;
  for (unsigned shard = 0; shard < width; ++shard) {
    const SegmentRecord::Member& member = (*placement)[shard];
    const bool wanted = !request.member || *request.member == member.drive;
    io::PatientOperation read =
        context_.shard_read(member, 0, kept->memory.span().subspan(shard * io::kBlockBytes, io::kBlockBytes));
    read.compared = false;
    if (!wanted) read.drive = nullptr;
    reads.push_back(read);
  }
  co_await io::run_patiently(reads, context_.last_patience(), kept);
  for (unsigned shard = 0; shard < width; ++shard) {
    const SegmentRecord::Member& member = (*placement)[shard];
    if (reads[shard].drive == nullptr) continue;
    context_.report(member.drive, reads[shard]);
    if (reads[shard].late) continue;  // the drive still has the memory
    step.bytes += io::kBlockBytes;
    ZoneHeader header = zone_header_of(record, shard);
    header.store = context_.drives.store_id();
    header.drive = context_.drives.member_id(member.drive);
    const std::span<std::byte> block = reads[shard].operation.memory;
    if (!reads[shard].error && same_zone(decode_zone_header(block), header)) continue;
    log_error(
        "zone_header_damaged",
        {{"drive", member.drive}, {"zone", member.zone}, {"offset", context_.drive_offset(member.zone, 0)}});
    io::PatientOperation write = context_.shard_write(member, 0, block);
    write.compared = false;
    if (write.drive == nullptr) continue;
    encode_zone_header(header, block.first<io::kBlockBytes>());
    co_await io::run_patiently(std::span<io::PatientOperation>(&write, 1), context_.last_patience(), kept);
    context_.metrics.syncs.add();
    if (!write.error) {
      ++step.zone_headers_repaired;
      log_info("zone_header_repaired", {{"drive", member.drive}, {"zone", member.zone}});
    } else {
      context_.report(member.drive, write);
    }
  }
  co_return success();
}

Task<Result<>> StripeScrubber::check(const ScrubRequest& request, StripeWindow& window, StripeFound& found,
                                     ScrubStep& step) {
  ++step.stripes;
  const auto any_damaged = [&] { return std::any_of(found.shards.begin(), found.shards.end(), is_damaged); };
  if ((any_damaged() || window.failed() > 0) && !window.all_asked()) {
    co_await window.load_all();
    window.judge(found);
  }
  if (window.failed() > 0) co_await window.reread(found);
  bool whole = true;
  const PlacementPtr placement = found.stripe.segment->placement();
  for (unsigned shard = 0; shard < found.shards.size(); ++shard) {
    whole = whole && found.shards[shard] == ShardState::good;
    if (found.shards[shard] == ShardState::unread && window.asked(shard)) ++step.shards_absent;
    if (!is_damaged(found.shards[shard])) continue;
    ++step.shards_damaged;
    context_.metrics.crc_failures.add();
    const SegmentRecord::Member& member = (*placement)[shard];
    log_error("shard_damaged", {{"what", what_is_wrong(found.shards[shard])},
                                {"drive", member.drive},
                                {"zone", member.zone},
                                {"offset", context_.drive_offset(member.zone, found.stripe.stripe_block)},
                                {"segment", found.stripe.segment->id()}});
  }
  if (whole && !window.is_codeword(found)) {
    // Every CRC is right and yet the shards contradict each other: they were written so.
    log_error("stripe_no_codeword",
              {{"segment", found.stripe.segment->id()}, {"stripe_block", found.stripe.stripe_block}});
    co_return co_await judge_loss(request, window, found, step);
  }
  if (!any_damaged() && found.sources() >= found.stripe.shape.scheme.data) co_return success();
  if (!window.all_asked()) co_return success();  // one shard was looked at, and it is good
  if (found.sources() < found.stripe.shape.scheme.data)
    co_return co_await judge_loss(request, window, found, step);
  if (!request.repair) co_return success();
  co_return co_await repair(request, window, found, step);
}

Task<Result<>> StripeScrubber::repair(const ScrubRequest& request, const StripeWindow& window,
                                      const StripeFound& found, ScrubStep& step) {
  const std::size_t bytes = std::size_t{found.stripe.shape.blocks()} * io::kBlockBytes;
  for (unsigned shard = 0; shard < found.shards.size(); ++shard) {
    if (!is_damaged(found.shards[shard])) continue;
    Result<io::Buffer> memory = co_await request.pool->take(bytes, context_.options.wait_ms_max);
    if (!memory) co_return memory.error();
    const auto image = std::make_shared<io::Buffer>(std::move(*memory));
    const std::span<std::byte> into = image->span().first(bytes);
    if (!window.rebuild(found, shard, into)) {
      log_error("stripe_no_codeword", {{"segment", found.stripe.segment->id()},
                                       {"stripe_block", found.stripe.stripe_block},
                                       {"shard", shard}});
      continue;
    }
    Result<> written = co_await repairs_.write(found.stripe, shard, into, image);
    // A drive that refuses was reported; what is left to do there is a rebuild's business.
    if (written) ++step.shards_repaired;
  }
  co_return success();
}

Task<Result<>> StripeScrubber::judge_loss(const ScrubRequest& request, const StripeWindow& window,
                                          const StripeFound& found, ScrubStep& step) {
  Result<bool> referenced = co_await is_referenced(request.referenced, found);
  if (!referenced) co_return referenced.error();
  if (!*referenced) {
    ++step.stripes_torn;
    co_return success();
  }
  const bool for_ever = window.failed() == 0;
  ++(for_ever ? step.stripes_lost : step.stripes_unreadable);
  log_error(for_ever ? "stripe_lost" : "stripe_unreadable",
            {{"segment", found.stripe.segment->id()},
             {"stripe_block", found.stripe.stripe_block},
             {"shards_left", found.sources()},
             {"shards_needed", found.stripe.shape.scheme.data}});
  co_return success();
}

}  // namespace storage::segment
