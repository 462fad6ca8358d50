/* What the oracle's rooms share. */
#pragma once

#include "sim/oracle.h"

/* Keys that the cloud once refused may rest so long though it takes them again. */
#define KEYS_REST_NS (65 * NS_PER_SECOND)

/* oracle.c */
int oracle_schedule_index(const char *name);
void oracle_open_slot(struct oracle *oracle, int schedule, struct wall slot, enum ledger_kind kind);
bool oracle_is_member(const struct oracle *oracle, const struct record *record);
void oracle_told(struct oracle *oracle, struct record *record, int result);
void oracle_list(struct oracle *oracle, struct places *places, const struct record *record);
void oracle_unlist(struct oracle *oracle, struct places *places, const struct record *record);

/* oracle.c: an instance's record, opened or opened again by the present file. */
void oracle_open_record(struct oracle *oracle, int schedule, int instance, struct wall slot,
                        enum ledger_kind kind);

/* Its time is that of the present file, or of the one that opened it. */
void oracle_retime(struct oracle *oracle, struct record *record);
struct wall oracle_earliest_deadline(struct oracle *oracle, const struct record *record);

/* oracle_orders.c: the slot is not to be run, by the file or by an operator. */
bool oracle_is_paused(const struct oracle *oracle, int schedule, struct wall slot);
/* The engine still looks at the order that it is of; it ends, or is to be run, by that. */
bool oracle_is_ordering(const struct oracle *oracle, const struct record *record);
void oracle_order_entry(struct oracle *oracle, struct record *record,
                        const struct ledger_entry *entry);
/* What the log must have of orders and pauses. */
void oracle_check_kept(struct oracle *oracle, const struct kept_log *log);

/* oracle_hosts.c: what is not on the wire goes where the present file has its instance. */
void oracle_move(struct oracle *oracle, struct record *record);

/* oracle_hosts.c: the record is sent; where nothing was left before, a backlog begins with it. */
void oracle_begin_burst(struct oracle *oracle, const struct record *record, int host);

/* oracle_hosts.c: hosts that the present file does not use, or all: their past does not count. */
void oracle_forget_hosts(struct oracle *oracle, bool all);

/* oracle_doubts.c: what is due again, and what the cloud has of a record. */
void oracle_again(struct oracle *oracle, struct record *record);
void oracle_check_end(struct oracle *oracle, const struct record *record,
                      const struct ledger_entry *entry);
/* A backup of the record that runs or ended well. */
bool oracle_has_backup(const struct oracle *oracle, const struct record *record);

/* oracle_watch.c: backups that were submitted. */
void oracle_finished(struct oracle *oracle, struct record *record,
                     const struct ledger_entry *entry);
void oracle_told_finish(struct oracle *oracle, struct record *record, int finish);
void oracle_check_silence(struct oracle *oracle);  /* after a turn */
void oracle_check_finished(struct oracle *oracle); /* at the end of the quiet time */
/* An earlier run of the record's schedule and instance that has not ended, or backup that is not
 * known to have. NULL: none. */
const struct record *oracle_before(const struct oracle *oracle, const struct record *record);
void oracle_check_overlap(struct oracle *oracle, const struct record *record);
void oracle_told_overlap(struct oracle *oracle, struct record *record);
bool oracle_is_locked(const struct oracle *oracle, const struct record *record, int64_t at);

/* oracle_clock.c: what the journal is told of the clock; checked after a turn. */
void oracle_told_clock(struct oracle *oracle, const struct event *event);
void oracle_check_clock(struct oracle *oracle);

/* A horizon that a wrong clock set goes back to now, which it may. */
bool oracle_goes_back(struct oracle *oracle, struct watched_schedule *s, struct wall slot);

/* oracle_slots.c: the slot after, those that the ledger has left out. */
struct wall oracle_next_slot(const struct watched_schedule *s, struct wall after);

/* oracle_lives.c: a start has done what it owes. */
void oracle_check_resumed(struct oracle *oracle);

/* A start raises the horizon to a slot that the ledger has open. */
bool oracle_is_raise(const struct oracle *oracle, int schedule, struct wall slot);

/* A line for a whole slot that a start owes; false: none is owed. */
bool oracle_told_whole(struct oracle *oracle, int schedule, struct wall slot, bool skipped);

/* oracle_slots.c: the clock is believed again: so much is owed of rules that were given up. */
void oracle_owe_left(struct oracle *oracle, struct now now);
/* That has been told. */
void oracle_check_left(struct oracle *oracle);

/* oracle_slots.c: every slot that came has been taken up. */
void oracle_check_slots(struct oracle *oracle);

/* The new file rules from here on, where one is being loaded. */
void oracle_switch(struct oracle *oracle);
