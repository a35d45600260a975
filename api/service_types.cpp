#include "api/service.h"
#include "storage/object_store.h"
