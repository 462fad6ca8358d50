/*
 * run: a backup now. The daemon takes the order and goes on by itself; with --wait its end is
 * waited for, with a bar on a terminal.
 *
 * Waiting is asking again, on a connection of its own each time, so that a daemon that restarts
 * meanwhile is no failure. What the daemon took up and no longer knows of is not waited for.
 */
#include "base/text.h"
#include "ctl/answer.h"
#include "ctl/dialogue.h"
#include "ctl/run_wait.h"
#include "ctl/when.h"

#include <stdlib.h>
#include <string.h>

struct order {
    struct dialogue_options where;
    const char *schedule;
    struct ctl_values instances;
    bool wait;
};

static void put(const void *context, struct json_writer *request)
{
    const struct order *order = context;
    json_put_known(request, "schedule", order->schedule);
    dialogue_put_values(request, "instance", &order->instances);
}

/* The number of refused ones, each told on stderr. */
static size_t tell_refused(struct json_value end)
{
    struct json_value refused = answer_member(end, "refused");
    struct json_value row = {NULL, NULL};
    size_t count = 0;
    while (refused.item != NULL && json_next(refused, &row)) {
        char schedule[128];
        char instance[128];
        char text[512];
        (void)answer_text(row, "schedule", schedule, sizeof schedule);
        (void)answer_text(row, "instance", instance, sizeof instance);
        (void)answer_text(row, "text", text, sizeof text);
        (void)ctl_complain(CTL_FAILED, "%s in %s is refused: %s", instance, schedule, text);
        count++;
    }
    return count;
}

static int finish(struct ctl *ctl, struct order *order, struct json_value end, const char *printed)
{
    char slot[64];
    int64_t accepted = answer_count(end, "accepted");
    size_t refused = tell_refused(end);
    (void)answer_text(end, "slot", slot, sizeof slot);
    int exit_code = refused > 0 ? CTL_FAILED : CTL_DONE;
    if (!ctl->json && !order->wait)
        (void)printf("%lld accepted, slot %s\n", (long long)accepted, slot);
    if (!order->wait) {
        if (ctl->json)
            (void)printf("%s", printed);
        return exit_code;
    }
    const struct run_wait wait = {.where = &order->where,
                                  .slot = slot,
                                  .schedule = order->schedule,
                                  .accepted = accepted,
                                  .order = ctl->json ? printed : NULL};
    int waited = accepted > 0 ? run_wait(&wait) : CTL_DONE;
    if (accepted == 0 && ctl->json)
        (void)printf("%s", printed);
    return waited != CTL_DONE ? waited : exit_code;
}

static int ask(struct ctl *ctl, struct order *order)
{
    char *printed = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&printed, &size);
    if (stream == NULL)
        return ctl_complain(CTL_FAILED, "no memory");
    const struct dialogue_rows rows = {.json = stream};
    struct json end;
    struct errtext err = {""};
    int exit_code = dialogue_once(&order->where, "run", put, order, &rows, &end, &err);
    if (fclose(stream) != 0)
        abort();
    if (exit_code != CTL_GO_ON) {
        (void)ctl_complain(exit_code, "%s", err.text);
    } else {
        exit_code = finish(ctl, order, answer_member(json_root(&end), "end"), printed);
        json_finish(&end);
    }
    free(printed);
    return exit_code;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    struct order order = {.wait = false};
    const struct ctl_option options[] = {
        DIALOGUE_OPTIONS(order.where),
        {.name = "--schedule", .value = &order.schedule},
        {.name = "--instance", .values = &order.instances},
        {.name = "--wait", .given = &order.wait},
    };
    int exit_code =
        ctl_parse(ctl, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (exit_code != CTL_GO_ON)
        return exit_code;
    if (order.schedule == NULL && order.instances.count == 0)
        return ctl_complain_usage(ctl, "run needs --schedule or --instance");
    return ask(ctl, &order);
}

const struct verb verb_run = {
    .name = "run",
    .arguments = "[--schedule NAME] [--instance ID]... [--wait]",
    .summary = "back up now, by the same limits and rules as a slot",
    .help = "All instances of a schedule, or those named; an instance that is in several\n"
            "schedules needs --schedule too. The daemon goes on also when this command is\n"
            "ended.\n"
            "\n"
            "  --schedule NAME     its instances, or the schedule of those named\n"
            "  --instance ID       this instance; may come again\n"
            "  --wait              until every backup has ended; with --json the answer is\n"
            "                      {\"order\":{...},\"result\":{...}}\n" DIALOGUE_HELP "\n"
            "Exit: 0 accepted, or with --wait: all succeeded; 1 one was refused or failed.\n",
    .run = run,
};
