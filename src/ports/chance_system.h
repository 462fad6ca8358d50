/*
 * Chance from the kernel.
 */
#pragma once

#include "engine/ports.h"

struct chance chance_system(void);
