/* Nothing is planted: the program as it is. */
#include "sim/sim.h"

enum plant planted = PLANT_NONE;
