/*
 * The configuration's bytes: read as one stable snapshot, and looked through before they are
 * taken for YAML.
 */
#pragma once

#include "base/result.h"
#include "ports/config_yaml_tree.h"

#include <stddef.h>

/*
 * Outcomes: 0, the caller frees *ret; -ENOMEM; any other negative with a text for a person
 * (missing, unreadable, not a regular file, too large, changed while it was read).
 */
int config_file_read(const char *path, char **ret, size_t *ret_length,
                     struct errtext *err) MUST_CHECK;

/*
 * Outcomes: 0, UTF-8 without control characters; TREE_INVALID with the place and the reason.
 */
int config_file_check(const char *bytes, size_t length, struct tree_fault *fault) MUST_CHECK;
