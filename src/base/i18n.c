/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Language of everything a person reads, by gettext.
 *
 * gettext(3) follows the locale, and a small server often has none but C.UTF-8, under which a
 * translation can still be asked for by LANGUAGE (gettext manual, "The LANGUAGE variable"). So the
 * locale is taken for characters only, and the language comes from our configuration, not from
 * whoever happened to log in: the person woken at night reads the same words everywhere.
 *
 * LANGUAGE is part of the environment, and so of whatever we start; what is not ours gets back what
 * we found.
 */

#include "base/i18n.h"

#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#ifndef ALBRAGUARD_LOCALE_DIR
#        define ALBRAGUARD_LOCALE_DIR "/usr/share/locale"
#endif

static struct {
        const char *language; /* "en" or "ko"; NULL before the first opening */
        char *found;          /* LANGUAGE as it was before; NULL when it was not set */
} chosen;

static void find_catalogues(char ret_folder[static PATH_MAX]) {
        char executable[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", executable, sizeof(executable) - 1);

        if (n > 0) {
                executable[n] = '\0';
                char *slash = strrchr(executable, '/');

                if (slash) {
                        *slash = '\0';
                        int written = snprintf(ret_folder, PATH_MAX, "%s/po", executable);
                        if (written > 0 && written < PATH_MAX && access(ret_folder, R_OK) == 0)
                                return;
                }
        }

        (void) text_copy(ret_folder, PATH_MAX, ALBRAGUARD_LOCALE_DIR); /* a constant that fits */
}

void i18n_open_at(const char *language, const char *folder) {
        if (!chosen.language) {
                const char *found = getenv("LANGUAGE");

                chosen.found = found ? strdup(found) : NULL;
        }
        chosen.language = strcmp(language, "ko") == 0 ? "ko" : "en";

        /* The C.UTF-8 locale is part of libc on the systems we support; numbers stay in C's format on purpose. A
         * terminal of another encoding is sent UTF-8 all the same, so widths are counted as of UTF-8. */
        if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
                (void) setlocale(LC_CTYPE, "C.UTF-8");
        if (!setlocale(LC_MESSAGES, "C.UTF-8"))
                (void) setlocale(LC_MESSAGES, "en_US.UTF-8");

        (void) setenv("LANGUAGE", chosen.language, /* overwrite= */ 1);
        (void) bindtextdomain("albraguard", folder);
        (void) bind_textdomain_codeset("albraguard", "UTF-8");
        /* After setenv(3): it also makes gettext forget what it has looked up. */
        (void) textdomain("albraguard");
}

void i18n_open(const char *language) {
        char folder[PATH_MAX];

        find_catalogues(folder);
        i18n_open_at(language, folder);
}

const char *i18n_language(void) {
        return chosen.language ? chosen.language : "en";
}

void i18n_leave(void) {
        if (!chosen.language)
                return;

        /* Both fail only for want of memory. */
        if (chosen.found)
                (void) setenv("LANGUAGE", chosen.found, /* overwrite= */ 1);
        else
                (void) unsetenv("LANGUAGE");
}
