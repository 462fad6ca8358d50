/* What must hold for any zone that was read, whatever its bytes were; aborts where it does not. */
#pragma once

#include "base/zone.h"

void zone_walk(const struct zone *zone);
