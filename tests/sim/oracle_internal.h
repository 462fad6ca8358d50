/* What the oracle's rooms share: oracle.c, oracle_slots.c, oracle_live.c. */
#pragma once

#include "sim/oracle.h"

/* oracle.c */
int oracle_schedule_index(const char *name);
void oracle_open_slot(struct oracle *oracle, int schedule, struct wall slot);
bool oracle_is_member(const struct oracle *oracle, const struct record *record);
void oracle_told(struct oracle *oracle, struct record *record, int result);

/* oracle_slots.c: every slot that came has been taken up. */
void oracle_check_slots(struct oracle *oracle);

/* The new file rules from here on, where one is being loaded. */
void oracle_switch(struct oracle *oracle);
