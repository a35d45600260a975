#include "storage/metadata/metadata_store.h"
