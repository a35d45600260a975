// PostingListener: told of every change of posting rows once its commit went through, so that what is derived of them in
// memory stays true.
//
// Order    changes of one key come in the order of their commits; those of different keys in any order.
// Threads  any, several at once.
#pragma once

#include <span>
#include <string>

#include "storage/labels/rows.h"

namespace storage::labels {

struct PostingChange {
  std::string row;     // rows::posting() or rows::object()
  bool added = false;  // or removed
};

class PostingListener {
 public:
  virtual ~PostingListener() = default;
  // All changes of one commit, which is visible in the metadata store already; the writer has not been answered yet.
  virtual void apply(BucketId bucket, std::span<const PostingChange> changes) = 0;
  // A commit failed in a way that leaves open whether it went through: what was derived for the bucket must be read anew.
  virtual void forget(BucketId bucket) = 0;
};

}  // namespace storage::labels
