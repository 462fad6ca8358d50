/*
 * See oracle.h: keys that the account has given up. Once a refusal has come back, little is sent by
 * them: one request at a time, PROBE_EACH_NS apart at the least.
 */
#include "sim/oracle_internal.h"

#define PROBE_EACH_NS (4900 * MS)
#define REST_NS (1200 * MS) /* other keys are noticed by then */

void oracle_signed(struct oracle *oracle, uint64_t generation)
{
    int64_t now = oracle->clock->now;
    bool revoked = oracle->world->revoked_at > 0 && generation == 1;
    if (!revoked || !oracle->keys_refused)
        return;
    if (now - oracle->probed_at < PROBE_EACH_NS)
        oracle_break(oracle, RULE_DEAD, "sent by refused keys, %.3f s after the last",
                     (double)(now - oracle->probed_at) / 1e9);
    oracle->probed_at = now;
}

void oracle_keys_refused(struct oracle *oracle)
{
    if (!oracle->keys_refused)
        oracle->probed_at = INT64_MIN / 2; /* a refusal by mistake may have begun the rest */
    oracle->keys_refused = true;
    int64_t until = oracle->clock->now + REST_NS;
    oracle->unjudged_until = until > oracle->unjudged_until ? until : oracle->unjudged_until;
}

void oracle_keys_serve(struct oracle *oracle)
{
    oracle->keys_refused = false;
}
