/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <jansson.h>

/* The document as text, whole or NULL; also for NULL. free() it. */
char *json_text(const json_t *json, size_t flags);
