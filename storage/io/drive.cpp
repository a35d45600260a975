#include "storage/io/drive.h"
