/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include "judge/case.h"

/* What the state of the service asks for, before anything is weighed against it, and from when on. False when nothing is
 * wanted. */
bool want_find(const Case *c, Intent *ret_wanted, usec_t *ret_due_usec);

/* Writes the wanted act into the decision, charges it and tells it. Also for a person's wish. */
void want_decide(const Case *c, const Intent *wanted);

/* Finds what is wanted, weighs it, and decides, refuses or gives up for now. */
void want_step(const Case *c);
