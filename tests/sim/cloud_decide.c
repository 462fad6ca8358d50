/*
 * See cloud.h: what the cloud makes of a request when it arrives: its stamp, the quota of that
 * fixed second by host and action, the faults, then the instance's lock. What only asks suffers
 * the same faults and never acts.
 */
#include "sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKEW_MAX_S 300
#define QUOTA 20
#define QUOTA_OF_BACKUPS 50 /* DescribeInstanceBackups has more */
#define QUOTA_LARGE 100     /* of an account that was given more */
#define REMARK_MAX 4096
#define REMARK_KEPT 50                    /* bytes of a remark, in some worlds: a tag has 44 */
#define TASK_LEAST_US (2 * US_PER_SECOND) /* stamps have whole seconds: two are told apart */

static void set_body(struct message *m, int http_status, const char *text)
{
    free(m->body);
    m->body = strdup(text);
    assert(m->body != NULL);
    m->outcome = EXCHANGE_ANSWERED;
    m->http_status = http_status;
}

void cloud_answer(struct message *m, const char *members)
{
    size_t size = strlen(members) + 80;
    char *text = malloc(size);
    assert(text != NULL);
    (void)snprintf(text, size, "{\"Response\":{%s,\"RequestId\":\"r-%llx\"}}", members,
                   (unsigned long long)m->ticket);
    set_body(m, 200, text);
    free(text);
}

void cloud_refuse(struct message *m, const char *code, const char *text, bool definite)
{
    char members[256];
    (void)snprintf(members, sizeof members, "\"Error\":{\"Code\":\"%s\",\"Message\":\"%s\"}", code,
                   text);
    cloud_answer(m, members);
    m->definite = definite;
}

/* Requests of other programs count too. */
static bool is_over_quota(struct sim *sim, struct message *m, int64_t at, int *ret_limit)
{
    struct cloud *cloud = &sim->cloud;
    int64_t second = clock_cloud_second(&sim->clock, at);
    int *counted = &cloud->counted[m->host][m->action];
    if (cloud->second[m->host][m->action] != second) {
        cloud->second[m->host][m->action] = second;
        *counted = 0;
        if (sim->faults->others > 0 && dice_chance(&cloud->dice, sim->faults->others))
            *counted = (int)dice_range(&cloud->dice, 0, 20);
    }
    *ret_limit = QUOTA;
    int limit = m->action == ACTION_BACKUPS ? QUOTA_OF_BACKUPS : QUOTA;
    if (sim->world.generations[sim->generation].per_second > QUOTA)
        limit = QUOTA_LARGE;
    if (sim->faults != &sim->world.calm && sim->world.seed % 3 == 0)
        *ret_limit = limit = limit / 2;
    return ++*counted > limit;
}

static void act_on(struct sim *sim, struct message *m, int64_t at)
{
    char remark[REMARK_MAX];
    int instance = sim->oracle.records[m->record].instance;
    int64_t takes_us = dice_range(&sim->cloud.dice, 0, sim->faults->task_max_us);
    if (dice_chance(&sim->cloud.tasks.dice, sim->faults->slow_tasks))
        takes_us = dice_range(&sim->cloud.tasks.dice, 0, sim->faults->slow_task_max_us);
    if (!world_is_calm(&sim->world))
        takes_us += TASK_LEAST_US;
    if (sim->world.faults.task_us > 0)
        takes_us = sim->world.faults.task_us;
    cloud_remark_of(sim, m, remark, sizeof remark);
    if (sim->world.seed % 5 == 2)
        remark[REMARK_KEPT] = '\0';
    m->acted = true;
    m->task_id = tasks_begin(sim, instance, remark, m->record, at, takes_us)->id;
    oracle_acted(&sim->oracle, m->record, m->task_id);
}

static void accept_it(struct sim *sim, struct message *m)
{
    char text[96];
    const char *quote = dice_chance(&sim->cloud.dice, 500) ? "\"" : "";
    (void)snprintf(text, sizeof text, "\"TaskId\":%s%lld%s", quote, (long long)m->task_id, quote);
    cloud_answer(m, text);
}

static void refuse_for_good(struct sim *sim, struct message *m)
{
    static const char *const finals[] = {
        "UnauthorizedOperation.NoCAMAuthed", "InvalidParameter.PermissionDenied",
        "ResourceNotFound.InstanceNotExists", "AuthFailure.SecretIdNotFound", "LimitExceeded"};
    int which = (int)dice_range(&sim->cloud.dice, 0, 4);
    if (m->action != ACTION_BACKUP && which == 2)
        which = 0; /* the cloud does not lie about what is there */
    cloud_refuse(m, finals[which], "no\\nevent=backup_submitted task_id=1", true);
}

/* What was drawn for it goes wrong; true where that decides the outcome. */
static bool goes_wrong(struct sim *sim, struct message *m, int64_t at)
{
    static const char *const busy[] = {"ResourceUnavailable.InstanceStateError",
                                       "ResourceUnavailable.InstanceStatusAbnormal",
                                       "ResourceInUse", "ServiceUnavailable"};
    static const char *const garbage[] = {"<html>\n<b>502</b>",
                                          "{\"Response\":{\"TaskId\":12",
                                          "",
                                          "\x01\x02\xff\xfe{{{{",
                                          "{\"Response\":{\"RequestId\":\"x\"}}",
                                          "{\"Response\":{\"TaskId\":null}}"};
    struct dice *dice = &sim->cloud.dice;
    int status;
    bool acts = dice_chance(dice, 500) || m->fate == FATE_LOST_AFTER;
    bool may_act = m->action == ACTION_BACKUP && m->fate != FATE_FINAL && m->fate != FATE_BUSY;
    if (m->fate == FATE_NONE)
        return false;
    if (may_act && at < sim->cloud.locked_until[sim->oracle.records[m->record].instance])
        may_act = false; /* and nobody learns why */
    if (acts && may_act)
        act_on(sim, m, at);
    switch (m->fate) {
    case FATE_FINAL:
        refuse_for_good(sim, m);
        break;
    case FATE_BUSY:
        cloud_refuse(m, busy[dice_range(dice, 0, 3)], "later\\u001b[31m", true);
        break;
    case FATE_GATEWAY:
    case FATE_GARBAGE:
        status = m->fate == FATE_GATEWAY ? (int)dice_range(dice, 500, 504) : 200;
        set_body(m, status, garbage[dice_range(dice, 0, 5)]);
        break;
    case FATE_INTERNAL:
        cloud_refuse(m, acts ? "InternalError.InternalError" : "FailedOperation.SystemError",
                     "oops", false);
        break;
    case FATE_DEAD:
    case FATE_NOT_SENT:
    case FATE_LOST_BEFORE:
    case FATE_LOST_AFTER:
    case FATE_SILENT:
    case FATE_NONE:
        m->outcome = EXCHANGE_LOST;
        break;
    }
    return true;
}

void cloud_decide(struct sim *sim, struct message *m, int64_t at)
{
    int64_t second = clock_cloud_second(&sim->clock, at);
    int limit;
    m->date_second = second;
    if (llabs(second - m->stamp_s) > SKEW_MAX_S) {
        cloud_refuse(m, "AuthFailure.SignatureExpire", "expired", true);
    } else if (sim->world.revoked_at > 0 && at >= sim->world.revoked_at && m->keys == 1) {
        m->revoked = true;
        cloud_refuse(m, "AuthFailure.SecretIdNotFound", "it is disabled", true);
    } else if (is_over_quota(sim, m, at, &limit)) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "Your current request times equals to `%d` in a second, which exceeds the "
                       "frequency limit `%d` for a second",
                       sim->cloud.counted[m->host][m->action], limit);
        cloud_refuse(m, "RequestLimitExceeded", text, true);
    } else if (goes_wrong(sim, m, at)) {
        return;
    } else if (m->action != ACTION_BACKUP) {
        cloud_answer_question(sim, m, at);
    } else if (at < sim->cloud.locked_until[sim->oracle.records[m->record].instance]) {
        cloud_refuse(m, "ResourceUnavailable.InstanceLockedError", "locked", true);
    } else {
        act_on(sim, m, at);
        accept_it(sim, m);
    }
}
