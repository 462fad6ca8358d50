/*
 * The loader with this machine's surroundings: $TZDIR or the system's zones, $STATE_DIRECTORY, and
 * the CA file, which must be one.
 */
#pragma once

#include "base/instant.h"
#include "ports/config_yaml.h"

#define CONFIG_PATH "/etc/crsbackupd/crsbackupd.yaml"

/* A path that the environment gives. */
#define CONFIG_SYSTEM_PATH_MAX 4096

/* Where the control socket is where the file does not say. NULL: the environment names nothing. */
const char *config_system_socket(char buffer[CONFIG_SYSTEM_PATH_MAX]);

/* Outcomes: as config_yaml_load(). */
int config_system_load(const char *path, struct wall now, struct config **ret,
                       struct config_report *report) MUST_CHECK;
