#include "storage/segment/segment_store.h"
