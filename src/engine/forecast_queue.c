/*
 * See forecast_queue.h. As many rounds as all turns can take in time are one addition; only a round
 * in which somebody becomes too late is gone through singly. A turn is over after its last request,
 * so the work is never more than the number of requests.
 */
#include "engine/forecast_queue.h"

int64_t queue_in_time(int64_t start, int64_t deadline, int64_t count)
{
    if (deadline <= start)
        return 0;
    int64_t fit = (deadline - start - 1) / QUEUE_INTERVAL + 1;
    return fit < count ? fit : count;
}

static void note_sent(struct queue *queue, struct queue_user *user, uint64_t sent)
{
    if (user->period != queue->period) {
        user->period = queue->period;
        user->sent = 0;
    }
    user->sent += sent;
    struct queue_user **leaders = queue->leaders;
    if (leaders[0] == user)
        return;
    if (leaders[0] == NULL || user->sent > leaders[0]->sent) {
        leaders[1] = leaders[0];
        leaders[0] = user;
    } else if (leaders[1] == NULL || user->sent > leaders[1]->sent) {
        leaders[1] = user;
    }
}

static void note_missed(const struct queue *queue, struct queue_user *user, uint32_t count)
{
    const struct queue_user *leader = queue->leaders[queue->leaders[0] == user ? 1 : 0];
    queue->missed(queue->context, user, count, leader != NULL ? leader->schedule : NULL);
}

/* As many whole rounds as all turns can take in time; 0 where one must be looked at singly. */
static int64_t common_rounds(const struct queue_turn *turns, size_t count, int64_t start)
{
    int64_t rounds = INT64_MAX;
    int64_t deadline = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        if (turns[i].left < rounds)
            rounds = turns[i].left;
        if (turns[i].deadline < deadline)
            deadline = turns[i].deadline;
    }
    int64_t fit = queue_in_time(start, deadline, INT64_MAX) / (int64_t)count;
    return fit < rounds ? fit : rounds;
}

/* One request each, unless it is too late for the rest of them. */
static void single_round(struct queue *queue, struct queue_turn *turns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct queue_turn *turn = &turns[i];
        if (turn->deadline <= queue->free) {
            note_missed(queue, turn->user, turn->left);
            turn->left = 0;
            continue;
        }
        note_sent(queue, turn->user, 1);
        turn->left--;
        queue->free += QUEUE_INTERVAL;
    }
}

uint64_t queue_serve(struct queue *queue, struct queue_turn *turns, size_t count, int64_t due)
{
    uint64_t looked_at = 0;
    if (due > queue->free) {
        queue->period++;
        queue->leaders[0] = queue->leaders[1] = NULL;
        queue->free = due;
    }
    while (count > 0) {
        int64_t rounds = common_rounds(turns, count, queue->free);
        looked_at += count;
        for (size_t i = 0; i < count && rounds > 0; i++) {
            note_sent(queue, turns[i].user, (uint64_t)rounds);
            turns[i].left -= (uint32_t)rounds;
        }
        if (rounds > 0)
            queue->free += rounds * (int64_t)count * QUEUE_INTERVAL;
        else
            single_round(queue, turns, count);
        size_t kept = 0;
        for (size_t i = 0; i < count; i++)
            if (turns[i].left > 0)
                turns[kept++] = turns[i];
        count = kept;
    }
    return looked_at;
}
