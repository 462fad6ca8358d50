/*
 * See run_wait.h. The bar is drawn on stderr, over itself, where that is a terminal; what became of
 * the run stands on stdout at the end.
 */
#include "ctl/run_wait.h"

#include "base/reason.h"
#include "base/text.h"
#include "ctl/answer.h"
#include "ctl/screen.h"
#include "ctl/table.h"
#include "ctl/when.h"
#include "ports/clock_system.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define BAR_MAX 40
#define BAR_BESIDE 60   /* columns of the text beside the bar */
#define QUIET_ANSWERS 4 /* nothing under way, so often in a row: the rest will not come */

struct progress {
    const struct run_wait *wait;
    struct screen screen; /* of stderr */
    struct mono begun;
    int64_t ended;
    int64_t succeeded;
    int64_t bad;
    int64_t running;
    int64_t underway; /* all that is not ended, as far as the daemon knows */
    int quiet;
};

static void put(const void *context, struct json_writer *request)
{
    const struct run_wait *wait = context;
    json_put_text(request, "slot", wait->slot);
    json_put_known(request, "schedule", wait->schedule);
}

static void read_counts(struct progress *progress, struct json_value end)
{
    progress->succeeded = answer_count(end, "succeeded");
    progress->bad = answer_count(end, "failed") + answer_count(end, "other");
    progress->ended = progress->succeeded + progress->bad;
    progress->running = answer_count(end, "running");
    progress->underway = answer_count(end, "open") + answer_count(end, "submitted")
                         + answer_count(end, "slots_open") + progress->running;
    progress->quiet = progress->underway == 0 ? progress->quiet + 1 : 0;
}

static bool is_over(const struct progress *progress)
{
    return progress->ended >= progress->wait->accepted || progress->quiet >= QUIET_ANSWERS;
}

static void draw(const struct progress *progress)
{
    char span[WHEN_TEXT_MAX];
    if (!progress->screen.terminal)
        return;
    int64_t room = progress->screen.width - BAR_BESIDE;
    room = room > BAR_MAX ? BAR_MAX : room;
    int64_t full = room > 0 ? room * progress->ended / progress->wait->accepted : 0;
    (void)fprintf(stderr, "\r\033[K");
    if (room > 0) {
        enum screen_look look = progress->bad > 0 ? LOOK_BAD : LOOK_GOOD;
        (void)fprintf(stderr, "[%s", screen_begin(&progress->screen, look));
        for (int64_t i = 0; i < room; i++)
            (void)fputs(i < full ? "\u2588" : " ", stderr);
        (void)fprintf(stderr, "%s] ", screen_end(&progress->screen, look));
    }
    int64_t us = mono_diff_ns(clock_mono(), progress->begun) / NS_PER_US;
    int64_t waiting = progress->wait->accepted - progress->ended - progress->running;
    (void)fprintf(stderr, "%lld/%lld done", (long long)progress->ended,
                  (long long)progress->wait->accepted);
    if (progress->bad > 0)
        (void)fprintf(stderr, ", %lld failed", (long long)progress->bad);
    if (progress->running > 0)
        (void)fprintf(stderr, ", %lld running", (long long)progress->running);
    if (waiting > 0)
        (void)fprintf(stderr, ", %lld waiting", (long long)waiting);
    (void)fprintf(stderr, ", %s", when_span(us, span));
    (void)fflush(stderr);
}

static void clear(const struct progress *progress)
{
    if (progress->screen.terminal)
        (void)fprintf(stderr, "\r\033[K");
}

/* One question. *ret_printed is the answer in JSON, the caller's to free. */
static int ask(struct progress *progress, struct json *ret_end, char **ret_printed,
               struct errtext *err)
{
    const struct run_wait *wait = progress->wait;
    char *printed = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&printed, &size);
    if (stream == NULL)
        abort();
    const struct dialogue_rows rows = {.json = stream};
    int exit_code = dialogue_once(wait->where, "runs", put, wait, &rows, ret_end, err);
    if (fclose(stream) != 0)
        abort();
    *ret_printed = printed;
    if (exit_code == CTL_GO_ON)
        read_counts(progress, answer_member(json_root(ret_end), "end"));
    return exit_code;
}

static void print_failures(struct json_value end)
{
    static const struct table_column columns[] = {
        {.head = "INSTANCE"},
        {.head = "RESULT"},
        {.head = "REASON", .cut = true, .below = true},
    };
    const struct screen screen = screen_of(stdout);
    struct table *table = table_create(columns, sizeof columns / sizeof columns[0], &screen);
    struct json_value failures = answer_member(end, "failures");
    struct json_value row = {NULL, NULL};
    while (failures.item != NULL && json_next(failures, &row)) {
        char instance[128];
        char outcome[32];
        char code[128];
        char text[512];
        char reason[sizeof code + sizeof text + 2];
        (void)answer_text(row, "instance", instance, sizeof instance);
        (void)answer_text(row, "outcome", outcome, sizeof outcome);
        bool has_code = answer_text(row, "code", code, sizeof code) && code[0] != '\0';
        bool has_text = answer_text(row, "text", text, sizeof text) && text[0] != '\0';
        (void)snprintf(reason, sizeof reason, "%s%s%s", code, has_code && has_text ? ": " : "",
                       screen.terminal ? reason_in_words(text) : text);
        table_put(table, LOOK_PLAIN, instance);
        table_put(table, screen_look_of_outcome(outcome), outcome);
        table_put(table, LOOK_PLAIN, reason);
    }
    table_print(table, SIZE_MAX);
    table_destroy(table);
}

static int conclude(const struct progress *progress, struct json_value end, const char *printed)
{
    const struct run_wait *wait = progress->wait;
    bool good = progress->succeeded >= wait->accepted && progress->bad == 0;
    if (wait->order != NULL) {
        (void)printf("{\"order\":%.*s,\"result\":%.*s}\n", (int)strcspn(wait->order, "\n"),
                     wait->order, (int)strcspn(printed, "\n"), printed);
        return good ? CTL_DONE : CTL_FAILED;
    }
    print_failures(end);
    (void)printf("%lld of %lld succeeded\n", (long long)progress->succeeded,
                 (long long)wait->accepted);
    return good ? CTL_DONE : CTL_FAILED;
}

static void rest(int64_t us)
{
    (void)poll(NULL, 0, (int)(us / 1000));
}

int run_wait(const struct run_wait *wait)
{
    struct progress progress = {.wait = wait, .screen = screen_of(stderr), .begun = clock_mono()};
    struct mono heard = progress.begun;
    for (;;) {
        struct json end;
        struct errtext err = {""};
        char *printed;
        struct mono asked = clock_mono();
        int exit_code = ask(&progress, &end, &printed, &err);
        int64_t took_us = mono_diff_ns(clock_mono(), asked) / NS_PER_US;
        if (exit_code == CTL_GO_ON) {
            bool over = is_over(&progress);
            heard = clock_mono();
            if (over) {
                clear(&progress);
                exit_code = conclude(&progress, answer_member(json_root(&end), "end"), printed);
            }
            json_finish(&end);
            free(printed);
            if (over)
                return exit_code;
            draw(&progress);
        } else {
            free(printed);
            if (exit_code != CTL_NO_DAEMON
                || mono_diff_ns(clock_mono(), heard) > RUN_WAIT_AWAY_US * NS_PER_US) {
                clear(&progress);
                return ctl_complain(exit_code, "%s; the run is the daemon's, slot %s", err.text,
                                    wait->slot);
            }
        }
        rest(5 * took_us > RUN_WAIT_EVERY_US ? 5 * took_us : RUN_WAIT_EVERY_US);
    }
}
