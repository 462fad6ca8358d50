/*
 * See chart.h. The rows are as short as CHART_ROWS_MAX of them cover the span; they begin at whole
 * multiples of their length, on the clock of the beginning. Bars are drawn to an eighth of a
 * column; the smallest load is one eighth, so that none is invisible.
 */
#include "ctl/chart.h"

#include "base/civil.h"
#include "engine/forecast.h"

#include <string.h>

#define LABEL_WIDTH 16 /* "2026-11-24 03:00" */
#define NUMBER_WIDTH 10
#define EIGHTHS 8
#define RED "\033[31m"
#define CYAN "\033[36m"
#define PLAIN "\033[0m"

struct row {
    int64_t minute;
    uint64_t due;
    bool late;
};

static int64_t row_minutes(int64_t span)
{
    static const int64_t lengths[] = {1, 5, 10, 15, 30, 60, 180};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        if (span / lengths[i] + 2 <= CHART_ROWS_MAX)
            return lengths[i];
    return 360; /* a week is 28 of them */
}

static size_t make_rows(const struct load *load, const struct load_host *host,
                        struct row rows[CHART_ROWS_MAX], int64_t *ret_length)
{
    int64_t first = wall_seconds(load->from) / 60;
    int64_t last = wall_seconds(load->until) / 60;
    int64_t length = row_minutes(last - first);
    size_t count = 0;
    int64_t local = first + zone_seconds_at(load->clock.zone, wall_seconds(load->from)) / 60;
    first -= (local % length + length) % length;
    for (int64_t at = first; at <= last && count < CHART_ROWS_MAX; at += length, count++) {
        rows[count].minute = at;
        rows[count].due = load_due_between(host, at, at + length, &rows[count].late);
    }
    if (count > 1 && rows[count - 1].due == 0)
        count--; /* it would hold the last instant of the span alone, or a part of an hour */
    *ret_length = length;
    return count;
}

static void print_bar(FILE *to, uint64_t eighths)
{
    static const char *const parts[EIGHTHS] = {
        "", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589",
    };
    for (uint64_t i = 0; i < eighths / EIGHTHS; i++)
        (void)fputs("\u2588", to);
    (void)fputs(parts[eighths % EIGHTHS], to);
}

static void print_row(FILE *to, const struct load *load, const struct row *row, uint64_t most,
                      const struct screen *screen)
{
    char time[FORECAST_TIME_MAX];
    (void)forecast_time(&load->clock, wall_from_seconds(row->minute * 60), time);
    time[strcspn(time, "T")] = ' ';
    int columns = screen->width - LABEL_WIDTH - NUMBER_WIDTH - 4;
    uint64_t room = columns > 0 ? (uint64_t)columns * EIGHTHS : 0;
    uint64_t eighths = most > 0 ? (uint64_t)((double)row->due / (double)most * (double)room) : 0;
    if (row->due > 0 && eighths == 0 && room > 0)
        eighths = 1;
    (void)fprintf(to, "%.*s %*llu %s", LABEL_WIDTH, time, NUMBER_WIDTH,
                  (unsigned long long)row->due, row->late ? "!" : " ");
    if (eighths > 0) {
        (void)fputc(' ', to);
        (void)fputs(!screen->colour ? "" : row->late ? RED : CYAN, to);
        print_bar(to, eighths);
        (void)fputs(screen->colour ? PLAIN : "", to);
    }
    (void)fputc('\n', to);
}

void chart_print(FILE *to, const struct load *load, const struct load_host *host,
                 const struct screen *screen)
{
    struct row rows[CHART_ROWS_MAX];
    int64_t length;
    uint64_t most = 0;
    size_t count = make_rows(load, host, rows, &length);
    char span[LOAD_SPAN_TEXT_MAX];
    for (size_t i = 0; i < count; i++)
        if (rows[i].due > most)
            most = rows[i].due;
    (void)fprintf(to, "requests due every %s at %s, %s time%s\n",
                  load_span_text(length * 60 * US_PER_SECOND, span), host->host->name,
                  load->zone_name, host->missed > 0 ? " (!: some are missed)" : "");
    for (size_t i = 0; i < count; i++)
        print_row(to, load, &rows[i], most, screen);
}
