/*
 * How far apart a schedule's slots are.
 */
#pragma once

#include "engine/model.h"

#define GAP_DAYS 366
#define GAP_STEPS_MAX 2000 /* days looked at, and what clock changes add to them */

/*
 * The longest time between two slots that follow one another, the first of them in the GAP_DAYS
 * after `from`, or the first of all where none is. INT64_MAX where there are not two. Between the
 * slots of one day the clock's readings are counted: a clock change in between is left out.
 */
int64_t gap_longest_us(const struct recurrence *when, struct wall from);
