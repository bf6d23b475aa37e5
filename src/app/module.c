/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Module: the large libraries are mapped only by those who use them.
 *
 * libcurl, SQLite and the pattern matcher cost a process several megabytes before the first line
 * of main(). The clerk needs them and so does the tool when it reads history; the warden never. So
 * everything built on them is one shared object beside the executable, loaded by dlopen(3) in the
 * processes that want it. The dynamic linker resolves all of it at once (RTLD_NOW): a library that
 * is missing is told here, in one sentence, and not at three in the morning at its first call.
 */

#include "app/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/i18n.h"
#include "base/log.h"

#define MODULE_FILE "albraguard-clerk.so"

static void *open_beside_executable(void) {
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(MODULE_FILE) - 1);

        if (n <= 0)
                return NULL;

        path[n] = '\0';
        char *slash = strrchr(path, '/');
        if (!slash)
                return NULL;

        (void) strncpy(slash + 1, MODULE_FILE, sizeof(path) - (size_t) (slash + 1 - path) - 1);
        return access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

const ClerkModule *module_load(void) {
        static const ClerkModule *loaded;

        if (loaded)
                return loaded;

        (void) dlerror(); /* forget an older error */
        void *object = open_beside_executable();
        if (!object && !dlerror())
                object = dlopen(ALBRAGUARD_MODULE_DIR "/" MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
        if (object)
                loaded = dlsym(object, CLERK_MODULE_SYMBOL);
        if (!loaded)
                log_error(_("cannot load %s: %s"), MODULE_FILE, dlerror());

        return loaded;
}
