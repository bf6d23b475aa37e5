/* SPDX-License-Identifier: Apache-2.0 */

#pragma once

#include <libintl.h>

/* Text a person reads, in the language chosen by i18n_open(). N_() only marks a text in a table. */
#define _(text) gettext(text)
#define N_(text) (text)

/* Chooses the language of everything a person reads: "en" or "ko". Looks for the catalogues beside an uninstalled
 * executable first, then where they were installed; without them the text stays English. */
void i18n_open(const char *language);

/* The same with the catalogues in `folder`. */
void i18n_open_at(const char *language, const char *folder);

/* The language chosen last. */
const char *i18n_language(void);

/* Gives the environment back as it was found; for a child that is about to become a program of others. */
void i18n_leave(void);
