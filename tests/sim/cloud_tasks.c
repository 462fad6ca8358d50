/*
 * The cloud's books: every backup that anyone began, with its task and, where that ends well, its
 * backup. A task locks its instance while it runs. The two lists tell of it only a while after it
 * began, each after its own; DescribeTaskInfo knows it at once.
 *
 * The dice are those of the books alone, so that what they draw does not change the network.
 */
#include "sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PREPARES_PERMILLE 200             /* of a task's time it has not begun its work */
#define OPERATOR_US (100 * US_PER_SECOND) /* a backup of the console's takes no longer */
#define OPERATORS_MAX 12
#define FOLLOWS_US (20 * US_PER_SECOND) /* one that comes soon after a lost request */

/* ---- the books ---- */

const struct task *tasks_begin(struct sim *sim, int instance, const char *remark, size_t record,
                               int64_t at, int64_t takes_us)
{
    struct tasks *tasks = &sim->cloud.tasks;
    const struct faults *faults = sim->faults;
    if (tasks->count == tasks->capacity) {
        tasks->capacity = tasks->capacity == 0 ? 64 : tasks->capacity * 2;
        tasks->list = reallocarray(tasks->list, tasks->capacity, sizeof *tasks->list);
        assert(tasks->list != NULL);
    }
    struct task *task = &tasks->list[tasks->count];
    *task = (struct task){
        .id = TASK_FIRST + (int64_t)tasks->count,
        .instance = instance,
        .record = record,
        .begins_at = at,
        .ends_at = at + takes_us * NS_PER_US,
        .fails = dice_chance(&tasks->dice, faults->task_fails),
        .remark = strdup(remark),
    };
    assert(task->remark != NULL);
    int64_t lag_us =
        takes_us / 2 < faults->backup_lag_max_us ? takes_us / 2 : faults->backup_lag_max_us;
    task->backup_begins_at = at + dice_range(&tasks->dice, 0, lag_us) * NS_PER_US;
    task->listed_at = at + dice_range(&tasks->dice, 0, faults->list_lag_max_us) * NS_PER_US;
    task->backup_listed_at = at + dice_range(&tasks->dice, 0, faults->list_lag_max_us) * NS_PER_US;
    tasks->count++;
    sim->cloud.locked_until[instance] = task->ends_at;
    trace_line(&sim->trace, "task %lld of %d, %lld us%s: %s", (long long)task->id, instance,
               (long long)takes_us, task->fails ? ", fails" : "", remark);
    return task;
}

const struct task *tasks_find(const struct tasks *tasks, int64_t id)
{
    if (id < TASK_FIRST || id >= TASK_FIRST + (int64_t)tasks->count)
        return NULL;
    return &tasks->list[id - TASK_FIRST];
}

enum task_status task_status(const struct task *task, int64_t at)
{
    int64_t length = task->ends_at - task->begins_at;
    if (at >= task->ends_at)
        return task->fails ? STATUS_FAILED : STATUS_SUCCEEDED;
    return (at - task->begins_at) < length / 1000 * PREPARES_PERMILLE ? STATUS_PREPARING
                                                                      : STATUS_RUNNING;
}

void tasks_finish(struct tasks *tasks)
{
    for (size_t i = 0; i < tasks->count; i++)
        free(tasks->list[i].remark);
    free(tasks->list);
    *tasks = (struct tasks){.list = NULL};
}

/* ---- people at the console ---- */

void operators_plan(struct sim *sim, int64_t until)
{
    struct dice dice = dice_of(sim->world.seed, 8);
    if (world_is_calm(&sim->world) || !dice_chance(&dice, 400))
        return;
    int64_t count = dice_range(&dice, 1, OPERATORS_MAX);
    for (int64_t i = 0; i < count; i++) {
        int64_t instance = dice_range(&dice, 0, sim->world.instance_count - 1);
        clock_push(&sim->clock, dice_range(&dice, 0, until), EVENT_OPERATOR, (uint64_t)instance, 0);
    }
}

void operator_acts(struct sim *sim, int instance)
{
    /* One of them is what the files of the worlds have as the user's own text. */
    static const char *const remarks[] = {"", "before the upgrade", "remark \"quoted\"",
                                          "\xe6\xaf\x8f\xe6\x97\xa5"};
    struct dice *dice = &sim->cloud.tasks.dice;
    int64_t takes_us = dice_range(dice, 2 * US_PER_SECOND, OPERATOR_US);
    const char *remark = remarks[dice_range(dice, 0, 3)];
    if (sim->faults == &sim->world.calm || sim->clock.now < sim->cloud.locked_until[instance])
        return;
    bool automatic = dice_chance(dice, sim->faults->automatic);
    tasks_begin(sim, instance, automatic ? "" : remark, TASK_OF_OTHERS, sim->clock.now, takes_us);
    sim->cloud.tasks.list[sim->cloud.tasks.count - 1].automatic = automatic;
}

void operators_follow(struct sim *sim, int instance)
{
    struct dice *dice = &sim->cloud.tasks.dice;
    if (dice_chance(dice, sim->faults->neighbours))
        clock_push(&sim->clock, sim->clock.now + dice_range(dice, 0, FOLLOWS_US) * NS_PER_US,
                   EVENT_OPERATOR, (uint64_t)instance, 0);
}
