/* See inquiry.h. A ticket is the mark, a counter of uses and the flight's index. */
#include "engine/inquiry.h"

#include <stdlib.h>

#define INDEX_BITS 12

_Static_assert(INQUIRY_FLIGHTS_MAX <= 1 << INDEX_BITS, "an index fits into a ticket");

const char *inquiry_name(enum inquiry_action action)
{
    static const char *const names[INQUIRY_ACTIONS] = {"DescribeTaskInfo", "DescribeTaskList",
                                                       "DescribeInstanceBackups"};
    return names[action];
}

int32_t inquiry_limit(enum inquiry_action action)
{
    return action == INQUIRY_BACKUPS ? 50 : 20;
}

void flights_finish(struct flights *flights)
{
    for (uint32_t i = 0; i < flights->made; i++)
        free(flights->list[i]);
    flights->made = 0;
}

static struct flight *find_free(struct flights *flights, uint32_t *ret_index)
{
    for (uint32_t i = 0; i < flights->made; i++)
        if (flights->list[i]->ticket == 0) {
            *ret_index = i;
            return flights->list[i];
        }
    if (flights->made == INQUIRY_FLIGHTS_MAX)
        return NULL;
    struct flight *flight = malloc(sizeof *flight);
    if (flight == NULL)
        return NULL;
    *ret_index = flights->made;
    flights->list[flights->made++] = flight;
    return flight;
}

struct flight *flight_take(struct flights *flights, struct inquiry *inquiry)
{
    uint32_t index;
    struct flight *flight = find_free(flights, &index);
    if (flight == NULL)
        return NULL;
    flights->uses++;
    flights->busy++;
    *flight = (struct flight){
        .ticket = INQUIRY_TICKET | flights->uses << INDEX_BITS | index,
        .inquiry = inquiry,
        .lane = inquiry->lane,
        .action = inquiry->action,
    };
    inquiry->flight = flight;
    return flight;
}

void flight_give(struct flights *flights, struct flight *flight)
{
    if (flight->inquiry != NULL)
        flight->inquiry->flight = NULL;
    flight->ticket = 0;
    flights->busy--;
}

struct flight *flight_find(const struct flights *flights, uint64_t ticket)
{
    uint64_t index = ticket & ((UINT64_C(1) << INDEX_BITS) - 1);
    if ((ticket & INQUIRY_TICKET) == 0 || index >= flights->made)
        return NULL;
    struct flight *flight = flights->list[index];
    return flight->ticket == ticket ? flight : NULL;
}
