/*
 * See credentials_remote.h. An answer is read where it is filed, since its bytes are only lent, and
 * nothing is decided there: credentials_step() takes it up.
 *
 *   IDLE --begin--> ASKED --answer--> ANSWERED --end--> IDLE
 *                     ^                  |
 *                     '-----go_on--------'   cvm-role: the name first, then the keys
 */
#include "ports/credentials_remote.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The answer may be filed before send() returns. */
static int send_question(struct remote *r, struct mono now, struct errtext *err)
{
    const struct transport *transport = r->provider == CREDENTIALS_CVM_ROLE ? &r->direct : &r->api;
    r->ticket = CREDENTIALS_TICKET | ++r->tickets;
    r->question.request.ticket = r->ticket;
    r->asked_at = now;
    r->state = REMOTE_ASKED;
    int outcome = transport->send(transport->context, &r->question.request, err);
    if (outcome != 0) {
        r->state = REMOTE_IDLE; /* there is nothing to cancel */
        remote_end(r);
    }
    secret_wipe(r->question.body, sizeof r->question.body);
    return outcome;
}

static int ask(struct remote *r, const struct credentials_settings *settings,
               const struct found_keys *source, struct wall stamp, struct errtext *err)
{
    if (r->provider == CREDENTIALS_CVM_ROLE)
        return cvm_role_ask(settings, r->role, &r->question, err);
    if (r->provider == CREDENTIALS_TKE_OIDC)
        return oidc_ask(settings, stamp, &r->question, err);
    return sts_ask_role(settings, source, r->tc3, stamp, &r->question, err);
}

int remote_begin(struct remote *r, const struct credentials_settings *settings,
                 enum credentials_provider provider, const struct found_keys *source,
                 struct wall stamp, struct mono now, struct errtext *err)
{
    assert(r->state == REMOTE_IDLE);
    r->provider = provider;
    r->role[0] = '\0';
    int outcome = ask(r, settings, source, stamp, err);
    return outcome == 0 ? send_question(r, now, err) : outcome;
}

int remote_go_on(struct remote *r, const struct credentials_settings *settings, struct mono now,
                 struct errtext *err)
{
    assert(r->state == REMOTE_ANSWERED && r->has_name);
    int outcome = cvm_role_ask(settings, r->role, &r->question, err);
    return outcome == 0 ? send_question(r, now, err) : outcome;
}

static int take_any(void *context, const struct json_value *response, struct errtext *err)
{
    (void)context;
    (void)response;
    (void)err;
    return 0;
}

/* Only what failed is read once more: an answer with keys is not copied about. */
static void tell_answer(const struct remote *r, const struct exchange *exchange, struct mono at)
{
    struct verdict verdict = {.class = VERDICT_ACCEPTED};
    if (r->answered == NULL)
        return;
    if (r->outcome != 0) {
        reply_judge_query(exchange, take_any, NULL, &verdict);
        if (verdict.class == VERDICT_ACCEPTED) {
            struct text code = text_over(verdict.code, sizeof verdict.code);
            text_add(&code, "Client.BadReply");
            verdict.class = VERDICT_AMBIGUOUS;
        }
    }
    bool came = exchange->kind == EXCHANGE_ANSWERED;
    r->answered(r->context, r->provider, &verdict, came ? mono_diff_ns(at, r->asked_at) : -1);
}

void remote_file(struct remote *r, uint64_t ticket, const struct exchange *exchange, struct mono at)
{
    if (r->state != REMOTE_ASKED || ticket != r->ticket)
        return;
    r->state = REMOTE_ANSWERED;
    r->has_name = false;
    r->date_second = exchange->kind == EXCHANGE_ANSWERED ? exchange->date_second : -1;
    r->why.text[0] = '\0';
    if (r->provider != CREDENTIALS_CVM_ROLE) {
        r->outcome = sts_take(exchange, &r->found, &r->why);
    } else if (r->role[0] == '\0') {
        r->outcome = cvm_role_take_name(exchange, r->role, &r->why);
        r->has_name = r->outcome == 0;
    } else {
        r->outcome = cvm_role_take_keys(exchange, &r->found, &r->why);
    }
    secret_wipe_stack();
    tell_answer(r, exchange, at);
}

void remote_end(struct remote *r)
{
    const struct transport *transport = r->provider == CREDENTIALS_CVM_ROLE ? &r->direct : &r->api;
    bool asked = r->state == REMOTE_ASKED;
    r->state = REMOTE_IDLE;
    if (asked && transport->cancel != NULL)
        transport->cancel(transport->context, r->ticket); /* its outcome finds nobody */
    found_keys_finish(&r->found);
    secret_wipe(&r->question, sizeof r->question);
}
