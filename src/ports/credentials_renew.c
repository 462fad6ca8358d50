/*
 * When temporary keys are asked for, and from whom. A step takes up the answer that was filed,
 * then asks where something is due; nothing here waits.
 *
 * Happy path: due -> remote_begin() -> answer filed -> credentials_use() -> due again with the
 * margin left.
 *
 * Failure paths: whatever went wrong becomes a text, told once until it changes, and the next try
 * waits for the back-off; the old keys go on to their end. A service that is asked in its margin
 * may answer with the keys that we have: that is a try like others. Where auto asks, one that has
 * none hands on to the next; the one that served first stays.
 */
#include "ports/credentials_inside.h"

#include "base/text.h"
#include "ports/clock_system.h"
#include "version.h"

#include <errno.h>
#include <string.h>

#define CLOCK_CLOSE_US (5 * US_PER_SECOND) /* nearer, two clocks are the same */

/* ---- the loop ---- */

static void on_wire(void *context, uint64_t ticket, struct mono at)
{
    (void)context;
    (void)ticket;
    (void)at;
}

static void on_outcome(void *context, uint64_t ticket, const struct exchange *exchange,
                       struct mono at)
{
    credentials_file_outcome(context, ticket, exchange, at);
}

static struct mono read_mono(void *context)
{
    (void)context;
    return clock_mono();
}

int credentials_open(struct credentials *c, struct uv_loop_s *loop, const struct transport *api,
                     credentials_answered_fn answered, void *context, struct errtext *err)
{
    int outcome = tc3_create(&c->remote.tc3, err);
    if (outcome != 0)
        return outcome;
    c->loop = loop;
    c->remote.api = *api;
    c->remote.answered = answered;
    c->remote.context = context;
    return 0;
}

void credentials_file_outcome(struct credentials *c, uint64_t ticket,
                              const struct exchange *exchange, struct mono at)
{
    remote_file(&c->remote, ticket, exchange, at);
}

static void on_closed(void *context)
{
    (void)context;
}

void credentials_close(struct credentials *c)
{
    if (c == NULL || c->closed)
        return;
    c->closed = true;
    if (c->direct != NULL)
        http_curl_close(c->direct, on_closed, c);
}

/* The transport to the metadata service, made when it is first asked. */
static int open_direct(struct credentials *c, struct errtext *err)
{
    if (c->direct != NULL)
        return 0;
    const struct http_options options = {.user_agent = "crsbackupd/" CRSBACKUPD_VERSION,
                                         .max_in_flight = 2};
    const struct http_sink sink = {
        .context = c, .on_wire = on_wire, .outcome = on_outcome, .clock = read_mono};
    int outcome = http_curl_create(c->loop, &options, &sink, &c->direct, err);
    if (outcome == 0)
        c->remote.direct = http_curl_transport(c->direct);
    return outcome;
}

/* ---- asking ---- */

unsigned renewal_chain(const struct credentials_settings *settings,
                       enum credentials_provider ret[CHAIN_MAX])
{
    unsigned count = 0;
    if (settings->metadata_url != NULL || cvm_is_here())
        ret[count++] = CREDENTIALS_CVM_ROLE;
    if (oidc_is_here())
        ret[count++] = CREDENTIALS_TKE_OIDC;
    return count;
}

static int begin(struct credentials *c, struct errtext *err)
{
    enum credentials_provider provider = c->renewal.chain[c->renewal.at];
    enum credentials_provider source = c->settings.source;
    char path[SOURCE_PATH_MAX] = "";
    int outcome = 0;
    if (c->loop == NULL)
        return errtext_set(err, -EAGAIN, "keys were asked for and have not come yet");
    if (provider == CREDENTIALS_CVM_ROLE)
        outcome = open_direct(c, err);
    else if (provider == CREDENTIALS_ASSUME_ROLE)
        outcome = credentials_read_local(c, source, &c->settings, &source, path, err);
    if (outcome == 0)
        outcome = remote_begin(&c->remote, &c->settings, provider, &c->found,
                               wall_add_us(c->now.wall, c->renewal.skew_us), c->now.mono, err);
    found_keys_finish(&c->found);
    return outcome;
}

static int64_t delay_ns(unsigned failures)
{
    int64_t delay = CREDENTIALS_TRY_FIRST_NS;
    for (unsigned i = 1; i < failures && delay < CREDENTIALS_TRY_MOST_NS; i++)
        delay *= 2;
    return delay < CREDENTIALS_TRY_MOST_NS ? delay : CREDENTIALS_TRY_MOST_NS;
}

static void wait_for_next_try(struct credentials *c)
{
    c->renewal.failures++;
    c->renewal.try_at = mono_add_ns(c->now.mono, delay_ns(c->renewal.failures));
}

static enum credentials_news fail(struct credentials *c, const struct errtext *why)
{
    struct renewal *renewal = &c->renewal;
    wait_for_next_try(c);
    c->last = *why;
    if (renewal->said.text[0] != '\0')
        (void)errtext_prefix(&c->last, 0, "%s", renewal->said.text);
    renewal->said.text[0] = '\0';
    if (!c->has_keys)
        renewal->at = 0;
    if (strcmp(c->told.text, c->last.text) == 0)
        return CREDENTIALS_NO_NEWS;
    c->told = c->last;
    return CREDENTIALS_FAILED;
}

/* ---- what came ---- */

/* Where the keys end on our clock: the service's own clock, where it told it, judges its word. */
static struct wall end_on_our_clock(const struct credentials *c, const struct found_keys *found)
{
    struct wall end = wall_from_seconds(found->expires_second);
    if (c->remote.date_second < 0)
        return end;
    int64_t ahead = wall_diff_us(wall_from_seconds(c->remote.date_second), c->now.wall);
    bool same = ahead > -CLOCK_CLOSE_US && ahead < CLOCK_CLOSE_US; /* a Date is in whole seconds */
    return same ? end : wall_add_us(end, -ahead - US_PER_SECOND);
}

static void name_origin(struct credentials *c)
{
    struct text t = text_over(c->origin, sizeof c->origin);
    if (c->remote.provider == CREDENTIALS_CVM_ROLE)
        text_addf(&t, "role %s", c->remote.role);
    else if (c->remote.provider == CREDENTIALS_ASSUME_ROLE)
        text_add(&t, c->settings.role_arn);
    else
        text_add(&t, c->settings.sts_url);
}

static enum credentials_news take_keys(struct credentials *c, struct errtext *why)
{
    struct renewal *renewal = &c->renewal;
    struct wall end = end_on_our_clock(c, &c->remote.found);
    int64_t life = wall_diff_us(end, c->now.wall);
    if (life <= 0) {
        (void)errtext_set(why, 0, "%s gave keys that have ended already",
                          c->remote.provider == CREDENTIALS_CVM_ROLE ? "the metadata service"
                                                                     : "STS");
        return CREDENTIALS_FAILED;
    }
    int64_t margin = life / 10 < CREDENTIALS_MARGIN_US ? life / 10 : CREDENTIALS_MARGIN_US;
    if (margin < 2 * CREDENTIALS_LAST_US)
        margin = 2 * CREDENTIALS_LAST_US;
    bool was_due = !wall_before(c->now.wall, renewal->renew_at);
    bool other = credentials_use(c, &c->remote.found, end);
    c->served_by = c->remote.provider;
    c->told.text[0] = '\0';
    renewal->urgent = false;
    c->refused = false;
    name_origin(c);
    if (!other && was_due) { /* it does not have new ones yet */
        wait_for_next_try(c);
        return CREDENTIALS_NO_NEWS;
    }
    renewal->failures = 0;
    renewal->try_at = mono_add_ns(c->now.mono, CREDENTIALS_TRY_FIRST_NS);
    c->look_at = mono_add_ns(c->now.mono, CREDENTIALS_LOOK_NS);
    renewal->renew_at = wall_add_us(end, -margin);
    return other ? CREDENTIALS_REFRESHED : CREDENTIALS_NO_NEWS;
}

/* The cloud's clock, for the stamp of the next try. */
static void learn_clock(struct credentials *c)
{
    if (c->remote.date_second >= 0)
        c->renewal.skew_us = wall_diff_us(wall_from_seconds(c->remote.date_second), c->now.wall);
}

/* Where auto asks: the next one, since this one has no keys. */
static bool hand_on(struct credentials *c, int outcome, const struct errtext *why)
{
    struct renewal *renewal = &c->renewal;
    if (outcome == 0 || c->has_keys || renewal->at + 1 >= renewal->chain_count)
        return false;
    renewal->said = *why;
    renewal->at++;
    return true;
}

static enum credentials_news take_answer(struct credentials *c, bool *ret_ask_on)
{
    struct errtext why = c->remote.why;
    int outcome = c->remote.outcome;
    enum credentials_news news = CREDENTIALS_FAILED;
    *ret_ask_on = false;
    if (outcome == 0 && c->remote.has_name) {
        outcome = remote_go_on(&c->remote, &c->settings, c->now.mono, &why);
        *ret_ask_on = outcome == 0;
        if (outcome == 0)
            return CREDENTIALS_NO_NEWS;
    } else if (outcome == 0) {
        news = take_keys(c, &why);
        outcome = news == CREDENTIALS_FAILED ? -EINVAL : 0;
    } else if (outcome == STS_CLOCK) {
        learn_clock(c);
    }
    remote_end(&c->remote);
    if (outcome == 0)
        return news;
    *ret_ask_on = hand_on(c, outcome, &why);
    return *ret_ask_on ? CREDENTIALS_NO_NEWS : fail(c, &why);
}

/* MONO_NEVER: the keys are good. */
static struct mono due_at(const struct credentials *c)
{
    const struct renewal *renewal = &c->renewal;
    if (!c->has_keys || renewal->urgent || !wall_before(c->now.wall, renewal->renew_at))
        return renewal->try_at;
    if (!c->refused)
        return MONO_NEVER;
    return mono_before(renewal->try_at, c->look_at) ? c->look_at : renewal->try_at;
}

/* Answers may come at once, from inside the asking: hence the loop. */
enum credentials_news renewal_step(struct credentials *c)
{
    bool ask = c->remote.state == REMOTE_IDLE && !mono_before(c->now.mono, due_at(c));
    for (;;) {
        if (ask && c->remote.state == REMOTE_IDLE) {
            struct errtext why = {""};
            int outcome = begin(c, &why);
            if (outcome != 0 && !hand_on(c, outcome, &why))
                return fail(c, &why);
            if (outcome != 0)
                continue;
        }
        if (c->remote.state != REMOTE_ANSWERED)
            return CREDENTIALS_NO_NEWS;
        enum credentials_news news = take_answer(c, &ask);
        if (!ask)
            return news;
    }
}

void renewal_next_wake(const struct credentials *c, struct wall *ret_wall, struct mono *ret_mono)
{
    const struct renewal *renewal = &c->renewal;
    if (c->remote.state == REMOTE_ASKED)
        return; /* the answer wakes us, and a time-out is one */
    if (c->remote.state == REMOTE_ANSWERED) {
        *ret_mono = c->now.mono;
        return;
    }
    *ret_mono = due_at(c);
    if (c->has_keys && wall_before(c->now.wall, renewal->renew_at))
        *ret_wall = renewal->renew_at; /* once it has passed, the back-off says when */
}
