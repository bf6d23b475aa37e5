/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where: which daemon is meant.
 *
 * Mostly there is one, installed, with its file in /etc; then nobody should have to say so. Somebody
 * trying things out has one started by `albraguard run`; then nobody should have to say that either.
 * Only when several could be meant do we ask, and print the words to answer with.
 *
 * A file with an error in it must not blind the person who is about to mend it: the daemon keeps
 * running on the old one, so verbs that only talk to it go on with the folders of the defaults.
 *
 * The folders of `run` lie under /tmp where there is no $XDG_RUNTIME_DIR, and there anybody may put
 * anything. So ours are made for us alone and used only if they are ours and no link.
 */

#include "cli/where.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/text.h"
#include "config/load.h"

#define DEFAULT_RUN_DIR "/run/albraguard"
#define DEFAULT_STATE_DIR "/var/lib/albraguard"

/* The folder that holds the run folders of all instances of this user. */
static int runs_folder(char *buffer, size_t size) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");

        int length = runtime && runtime[0] == '/'
                             ? snprintf(buffer, size, "%s/albraguard", runtime)
                             : snprintf(buffer, size, "/tmp/albraguard-%u", (unsigned) getuid());

        return length < 0 || (size_t) length >= size ? -ENAMETOOLONG : 0;
}

static int states_folder(char *buffer, size_t size) {
        const char *state = getenv("XDG_STATE_HOME");
        const char *home = getenv("HOME");
        int length;

        if (state && state[0] == '/')
                length = snprintf(buffer, size, "%s/albraguard", state);
        else if (home && home[0] == '/')
                length = snprintf(buffer, size, "%s/.local/state/albraguard", home);
        else
                return -ENOENT;

        return length < 0 || (size_t) length >= size ? -ENAMETOOLONG : 0;
}

static bool is_kept(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
}

static bool is_name(const char *name) {
        if (name[0] == '\0' || name[0] == '.' || name[0] == '-' || strlen(name) >= NAME_SIZE)
                return false;

        for (const char *p = name; *p != '\0'; p++)
                if (!is_kept(*p))
                        return false;

        return true;
}

int run_folders(const char *name, Folders *ret) {
        char runs[PATH_SIZE];
        char states[PATH_SIZE];
        Folders folders;

        if (!is_name(name))
                return -EINVAL;

        int r = runs_folder(runs, sizeof(runs));
        if (r < 0)
                return r;

        int length = snprintf(folders.run_dir, PATH_SIZE, "%s/%s", runs, name);
        if (length < 0 || length >= PATH_SIZE)
                return -ENAMETOOLONG;

        r = states_folder(states, sizeof(states));
        if (r == -ENAMETOOLONG)
                return r;
        length = r < 0 ? snprintf(folders.state_dir, PATH_SIZE, "%s/%s/state", runs, name)
                       : snprintf(folders.state_dir, PATH_SIZE, "%s/%s", states, name);
        if (length < 0 || length >= PATH_SIZE)
                return -ENAMETOOLONG;

        *ret = folders;
        return 0;
}

/* Makes one folder for us alone, or sees that it is. */
static int make_ours(const char *path) {
        struct stat about;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        if (lstat(path, &about) < 0)
                return -errno;
        if (!S_ISDIR(about.st_mode) || about.st_uid != getuid() || (about.st_mode & 0022) != 0)
                return -EPERM;

        return 0;
}

int run_folders_make(const Folders *folders) {
        char runs[PATH_SIZE];

        int r = runs_folder(runs, sizeof(runs));
        if (r < 0)
                return r;
        r = make_ours(runs);
        if (r < 0)
                return r;
        r = make_ours(folders->run_dir);
        if (r < 0)
                return r;

        return file_make_dirs(folders->state_dir, 0700);
}

const char *run_name_of(char buffer[static NAME_SIZE], const char *program) {
        const char *slash = strrchr(program, '/');
        size_t length = 0;

        for (const char *p = slash ? slash + 1 : program; *p != '\0' && length + 1 < NAME_SIZE; p++)
                if (is_kept(*p) && !(length == 0 && (*p == '.' || *p == '-')))
                        buffer[length++] = *p;

        buffer[length] = '\0';
        if (length == 0)
                (void) text_copy(buffer, NAME_SIZE, "command"); /* a constant that fits */

        return buffer;
}

const char *language_of_environment(void) {
        static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *value = getenv(names[i]);

                if (value && value[0] != '\0')
                        return strncmp(value, "ko", 2) == 0 ? "ko" : "en";
        }

        return "en";
}

/* The value of a key at the very start of a line, as far as it can be seen without parsing: one word, quotes taken off. */
static bool find_line(const char *text, const char *key, char ret_value[static PATH_SIZE]) {
        size_t key_length = strlen(key);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, key, key_length) != 0)
                        continue;

                const char *value = line + key_length + strspn(line + key_length, " \t\"'");
                size_t length = strcspn(value, " \t\"'#\r\n");
                if (length == 0 || length >= PATH_SIZE)
                        return false;

                memcpy(ret_value, value, length);
                ret_value[length] = '\0';
                return true;
        }

        return false;
}

/* The language that a file which cannot be loaded asks for, as far as that can be seen from its lines; or NULL. */
static const char *language_of_lines(const char *path) {
        CLEANUP_FREE char *text = NULL;
        char value[PATH_SIZE];
        size_t length;

        if (file_read_alloc(path, CONFIG_BYTES_MAX, &text, &length) < 0 ||
            !find_line(text, "language:", value))
                return NULL;

        return strcmp(value, "ko") == 0 ? "ko" : strcmp(value, "en") == 0 ? "en" : NULL;
}

/* Says what is wrong with a file once more, in the file's own language. */
static void reword(const char *path, int r, ConfigError *error) {
        const char *language = language_of_lines(path);
        Config *config = NULL;
        ConfigError reworded;

        if (!language || strcmp(language, i18n_language()) == 0)
                return;

        i18n_open(language);
        if (config_load(path, &config, &reworded) == r) /* else it has changed meanwhile */
                *error = reworded;
        (void) config_free(config);
}

/* A daemon that runs on while its file is being spoilt must still be found: its folders are taken from their lines,
 * whatever is wrong with the others. */
static bool peek_folders(const char *path, Folders *ret) {
        CLEANUP_FREE char *text = NULL;
        size_t length;

        return file_read_alloc(path, CONFIG_BYTES_MAX, &text, &length) >= 0 &&
               find_line(text, "run_dir:", ret->run_dir) &&
               find_line(text, "state_dir:", ret->state_dir) && ret->run_dir[0] == '/' &&
               ret->state_dir[0] == '/';
}

static CliExit
use_file(const CliOptions *options, const char *path, bool needs_config, Where *ret) {
        ConfigError error;

        if (!text_copy(ret->config_path, PATH_SIZE, path)) {
                (void) fprintf(stderr, _("albraguard: %s: the path is too long\n"), path);
                return CLI_USAGE;
        }
        if (options->config)
                (void) snprintf(ret->hint, sizeof(ret->hint), " --config %.900s", path);

        int r = config_load(path, &ret->config, &error);
        if (r >= 0) {
                if (!options->language)
                        i18n_open(ret->config->language);
                (void) text_copy(ret->folders.run_dir, PATH_SIZE,
                                 ret->config->run_dir); /* the schema limits it */
                (void) text_copy(ret->folders.state_dir, PATH_SIZE,
                                 ret->config->state_dir); /* as above */
                return CLI_WELL;
        }

        if (!options->language)
                reword(path, r, &error);
        (void) fprintf(stderr, "albraguard: %s\n", error.message);
        if (r == -EACCES || r == -EPERM)
                return CLI_NOT_PERMITTED;
        if (needs_config)
                return CLI_USAGE;
        if (peek_folders(path, &ret->folders)) {
                (void) fprintf(stderr, "%s\n",
                               _("The daemon keeps its old configuration; asking it."));
                return CLI_WELL;
        }
        if (options->config)
                return CLI_USAGE;

        (void) fprintf(stderr, "%s\n",
                       _("The daemon keeps its old configuration; asking it at its usual place."));
        (void) text_copy(ret->folders.run_dir, PATH_SIZE,
                         DEFAULT_RUN_DIR); /* a constant that fits */
        (void) text_copy(ret->folders.state_dir, PATH_SIZE, DEFAULT_STATE_DIR); /* as above */
        return CLI_WELL;
}

static CliExit use_name(const char *name, Where *ret) {
        int r = run_folders(name, &ret->folders);

        if (r < 0) {
                (void) fprintf(stderr, _("albraguard: “%s” cannot be the name of an instance\n"),
                               name);
                return CLI_USAGE;
        }

        (void) snprintf(ret->hint, sizeof(ret->hint), " --name %s", name);
        return CLI_WELL;
}

enum {
        INSTANCES_MAX = 32, /* more are not listed */
};

/* Names of the folders below `path` that have a socket in them, sorted; returns how many. */
static unsigned list_instances(const char *path, char names[static INSTANCES_MAX][NAME_SIZE]) {
        CLEANUP_DIR DIR *folder = opendir(path);
        unsigned count = 0;

        if (!folder)
                return 0;

        for (struct dirent *entry; count < INSTANCES_MAX && (entry = readdir(folder));) {
                char socket_path[PATH_SIZE + NAME_SIZE + sizeof("//warden.sock")];

                if (!is_name(entry->d_name) || !text_copy(names[count], NAME_SIZE, entry->d_name))
                        continue;
                (void) snprintf(socket_path, sizeof(socket_path), "%s/%s/warden.sock", path,
                                names[count]);
                if (access(socket_path, F_OK) == 0)
                        count++;
        }

        qsort(names, count, NAME_SIZE, (int (*)(const void *, const void *)) strcmp);
        return count;
}

static CliExit use_only_instance(Where *ret) {
        char names[INSTANCES_MAX][NAME_SIZE];
        char runs[PATH_SIZE];
        unsigned count = runs_folder(runs, sizeof(runs)) < 0 ? 0 : list_instances(runs, names);

        if (count == 1) {
                CliExit code = use_name(names[0], ret);

                ret->hint[0] = '\0'; /* while it is the only one, it needs no name */
                return code;
        }

        if (count > 1) {
                (void) fprintf(stderr, "%s\n",
                               _("albraguard: several are running; say which one is meant:"));
                for (unsigned i = 0; i < count; i++)
                        (void) fprintf(stderr, "  --name %s\n", names[i]);
                return CLI_USAGE;
        }

        (void) fprintf(
                stderr,
                _("albraguard: nothing is guarded here: there is no %s, and no `albraguard run` of yours is running.\n"),
                WHERE_DEFAULT_CONFIG);
        (void) fprintf(stderr,
                       "%s\n  albraguard run -- COMMAND …  %s\n  --config FILE                %s\n",
                       _("What to type next:"), _("guard a command, with no configuration"),
                       _("name a configuration yourself"));
        return CLI_UNREACHABLE;
}

CliExit where_find(const CliOptions *options, bool needs_config, Where *ret) {
        *ret = (Where){ 0 };
        i18n_open(options->language ? options->language : language_of_environment());

        if (options->config)
                return use_file(options, options->config, needs_config, ret);
        if (options->name && !needs_config)
                return use_name(options->name, ret);
        if (access(WHERE_DEFAULT_CONFIG, F_OK) == 0)
                return use_file(options, WHERE_DEFAULT_CONFIG, needs_config, ret);
        if (needs_config) {
                (void) fprintf(stderr, _("albraguard: there is no %s; name a file with --config\n"),
                               WHERE_DEFAULT_CONFIG);
                return CLI_USAGE;
        }

        return use_only_instance(ret);
}

void where_done(Where *where) {
        where->config = config_free(where->config);
}
