/*
 * The load of one host as a bar chart: a row a stretch of time, its begin, the requests due in it,
 * and a bar as long as there are many. A row with missed requests is marked "!", and red.
 */
#pragma once

#include "ctl/screen.h"
#include "engine/forecast_load.h"

#define CHART_ROWS_MAX 30

void chart_print(FILE *to, const struct load *load, const struct load_host *host,
                 const struct screen *screen);
