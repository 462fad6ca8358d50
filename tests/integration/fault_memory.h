/* SQLite's memory with faults: one allocation in turn is refused, once or from then on. */
#pragma once

#include <stdbool.h>

void fault_memory_install(void); /* before SQLite is used at all */
void fault_memory_arm(unsigned nth, bool stays);
void fault_memory_disarm(void);
unsigned fault_memory_calls(void); /* since it was armed */
