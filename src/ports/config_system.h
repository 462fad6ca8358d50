/*
 * The loader with this machine's surroundings: $TZDIR or the system's zones, $STATE_DIRECTORY, and
 * the CA file, which must be one.
 */
#pragma once

#include "base/instant.h"
#include "ports/config_yaml.h"

#define CONFIG_PATH "/etc/crsbackupd/crsbackupd.yaml"

/* Outcomes: as config_yaml_load(). */
int config_system_load(const char *path, struct wall now, struct config **ret,
                       struct config_report *report) MUST_CHECK;
