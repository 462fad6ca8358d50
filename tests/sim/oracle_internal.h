/* What the oracle's rooms share: oracle.c, oracle_slots.c, oracle_live.c. */
#pragma once

#include "sim/oracle.h"

/* oracle.c */
int oracle_schedule_index(const char *name);
void oracle_open_slot(struct oracle *oracle, int schedule, struct wall slot);
bool oracle_is_member(const struct oracle *oracle, const struct record *record);
void oracle_told(struct oracle *oracle, struct record *record, int result);

/* oracle.c: an instance's record, opened or opened again by the present file. */
void oracle_open_record(struct oracle *oracle, int schedule, int instance, struct wall slot);

/* oracle_clock.c: what the journal is told of the clock; checked after a turn. */
void oracle_told_clock(struct oracle *oracle, const struct event *event);
void oracle_check_clock(struct oracle *oracle);

/* A horizon that a wrong clock set goes back to now, which it may. */
bool oracle_goes_back(struct oracle *oracle, struct watched_schedule *s, struct wall slot);

/* oracle_slots.c: the slot after, those that the ledger has left out. */
struct wall oracle_next_slot(const struct watched_schedule *s, struct wall after);

/* oracle_lives.c: a start has done what it owes. */
void oracle_check_resumed(struct oracle *oracle);

/* A line for a whole slot that a start owes; false: none is owed. */
bool oracle_told_whole(struct oracle *oracle, int schedule, struct wall slot, bool skipped);

/* oracle_slots.c: every slot that came has been taken up. */
void oracle_check_slots(struct oracle *oracle);

/* The new file rules from here on, where one is being loaded. */
void oracle_switch(struct oracle *oracle);

bool oracle_is_its_task(const struct oracle *oracle, const struct record *r, int64_t task_id);
