/*
 * See reading.h. While it is under way the pool's thread alone touches what stands below `state`;
 * the loader has no state of its own, and reads an environment that nobody changes. A finished
 * config is handed over whole: its count of references is the loop's alone from then on. Of the
 * view in force it reads what never changes.
 *
 * Failure path: one that was never begun, since the daemon stops, ends as -ECANCELED.
 */
#include "daemon/reading.h"

#include "engine/view.h"
#include "ports/config_system.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <uv.h>

struct reading {
    uv_work_t work;
    uv_loop_t *loop;
    const char *path;
    enum { READING_IDLE, READING_UNDER_WAY, READING_OVER } state;
    struct wall now;
    const struct view *old;
    struct config *config;
    struct view *view;
    struct config_report report;
    int outcome;
};

/* ---- on the pool's thread ---- */

static void work(uv_work_t *request)
{
    struct reading *reading = request->data;
    int r = config_system_load(reading->path, reading->now, &reading->config, &reading->report);
    if (r == 0) {
        r = view_prepare(reading->config, reading->old, reading->now, &reading->view);
        if (r < 0) {
            config_unref(reading->config);
            reading->config = NULL;
        }
    }
    reading->outcome = r;
}

/* ---- on the loop's thread ---- */

static void after_work(uv_work_t *request, int status)
{
    struct reading *reading = request->data;
    if (status < 0)
        reading->outcome = -ECANCELED;
    reading->state = READING_OVER;
}

int reading_create(struct uv_loop_s *loop, const char *path, struct reading **ret)
{
    struct reading *reading = calloc(1, sizeof *reading);
    if (reading == NULL)
        return -ENOMEM;
    reading->work.data = reading;
    reading->loop = loop;
    reading->path = path;
    *ret = reading;
    return 0;
}

void reading_begin(struct reading *reading, const struct view *old, struct wall now)
{
    assert(reading->state == READING_IDLE);
    reading->state = READING_UNDER_WAY;
    reading->now = now;
    reading->old = old;
    int r = uv_queue_work(reading->loop, &reading->work, work, after_work);
    assert(r == 0); /* it refuses nothing but a missing function */
    (void)r;
}

bool reading_is_idle(const struct reading *reading)
{
    return reading->state == READING_IDLE;
}

bool reading_is_over(const struct reading *reading)
{
    return reading->state == READING_OVER;
}

int reading_take(struct reading *reading, struct config **ret, struct view **ret_view,
                 struct config_report *ret_report)
{
    assert(reading->state == READING_OVER);
    reading->state = READING_IDLE;
    *ret_report = reading->report;
    reading->report = (struct config_report){0};
    if (reading->outcome == 0) {
        *ret = reading->config;
        *ret_view = reading->view;
    }
    reading->config = NULL;
    reading->view = NULL;
    return reading->outcome;
}

void reading_close(struct reading *reading)
{
    if (reading != NULL && reading->state == READING_UNDER_WAY)
        (void)uv_cancel((uv_req_t *)&reading->work); /* one that has begun is waited for */
}

void reading_destroy(struct reading *reading)
{
    if (reading == NULL)
        return;
    assert(reading->state != READING_UNDER_WAY);
    config_report_finish(&reading->report);
    view_destroy(reading->view);
    config_unref(reading->config);
    free(reading);
}
