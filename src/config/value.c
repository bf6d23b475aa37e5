/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Value: one key's text becomes one field.
 *
 * Each type has a reader that takes the text whole or says what was expected instead. Lists are the
 * same readers in a row. Nothing is guessed: `5` is no duration of anything but seconds because the
 * documentation says so, `30x` is none at all, and a path with a tilde is not somebody's home.
 *
 * Paths leave here absolute. The root must therefore be put before any other path is.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/i18n.h"
#include "base/text.h"
#include "config/loader.h"

#define GOT_SIZE 48         /* of a value as quoted in a message; longer ones are cut */
#define UNIT_LENGTH_MAX 255 /* systemd.unit(5) */

/* One value on its way into its field. */
typedef struct Task {
        Loader *loader;
        const Key *key;
        ValueType type; /* of this value; of one entry when the key takes a list */
        const char *where;
        const Node *node;
} Task;

int loader_refuse_value(Loader *loader, const char *where, ValueType type, const Node *node) {
        Buf got;
        char text[GOT_SIZE];

        buf_init(&got, text, sizeof(text));
        if (node->kind == NODE_LIST)
                buf_put(&got, _("a list"));
        else if (node->kind == NODE_MAP)
                buf_put(&got, _("a map"));
        else if (node_is_nothing(node))
                buf_put(&got, _("nothing"));
        else
                buf_printf(&got, "\"%s\"", node->text);

        return loader_refuse(loader, node->mark, where, _("expected %s, got %s%s"),
                             value_type_to_words(type), text, got.is_truncated ? "…" : "");
}

static int refuse_value(const Task *task) {
        return loader_refuse_value(task->loader, task->where, task->type, task->node);
}

static int refuse_choice(const Task *task) {
        char words[128];
        Buf buf;

        buf_init(&buf, words, sizeof(words));
        for (const char *p = task->key->choices; *p;) {
                size_t length = strcspn(p, "|");

                buf_put(&buf, p == task->key->choices ? "" : ", ");
                buf_put_n(&buf, p, length);
                p += length + (p[length] == '|');
        }

        if (task->node->kind != NODE_TEXT || node_is_nothing(task->node))
                return loader_refuse(task->loader, task->node->mark, task->where,
                                     _("expected one of: %s"), words);

        return loader_refuse(task->loader, task->node->mark, task->where,
                             _("expected one of: %s; got \"%.*s\""), words, GOT_SIZE,
                             task->node->text);
}

static int refuse_range(const Task *task) {
        char text[128];
        Buf buf;

        buf_init(&buf, text, sizeof(text));
        value_put_number(&buf, task->key->type, task->key->min);
        buf_put(&buf, _(" to "));
        value_put_number(&buf, task->key->type, task->key->max);

        return loader_refuse(task->loader, task->node->mark, task->where,
                             _("\"%.*s\" is out of range, which is %s"), GOT_SIZE, task->node->text,
                             text);
}

/* Words of a choice, by number; -1 when it is none of them. */
static int choice_of(const char *choices, const char *word) {
        size_t length = strlen(word);
        int number = 0;

        for (const char *p = choices; *p; number++) {
                size_t choice = strcspn(p, "|");

                if (choice == length && memcmp(p, word, length) == 0)
                        return number;
                p += choice + (p[choice] == '|');
        }

        return -1;
}

/* Letters and digits of ASCII, and these. */
static bool consists_of(const char *text, const char *others) {
        for (; *text; text++) {
                bool is_letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
                bool is_digit = *text >= '0' && *text <= '9';

                if (!is_letter && !is_digit && !strchr(others, *text))
                        return false;
        }

        return true;
}

/* A name stands in file names and in command lines: it must not look like an option or like `..`. */
static bool is_name(const char *text) {
        return strlen(text) < NAME_SIZE && *text != '-' && *text != '.' &&
               consists_of(text, "_.@-");
}

static bool is_unit(const char *text) {
        size_t length = strlen(text);
        const char *suffix = ".service";

        return length > strlen(suffix) && length <= UNIT_LENGTH_MAX && *text != '-' &&
               *text != '.' && strcmp(text + length - strlen(suffix), suffix) == 0 &&
               consists_of(text, ":_.\\@-");
}

static bool is_port(const char *text) {
        uint64_t port;

        return text_parse_u64(text, &port) >= 0 && port >= 1 && port <= 65535;
}

/* Splits "HOST:PORT" or "[HOST]:PORT" at its colon; without one the port is "". */
static bool
split_host(const char *text, size_t length, char ret_host[static 256], const char **ret_port) {
        bool is_bracketed = *text == '[';
        const char *end = text + length;
        const char *host = text + is_bracketed;
        const char *stop = memchr(host, is_bracketed ? ']' : ':', (size_t) (end - host));

        if (!stop) {
                if (is_bracketed)
                        return false;
                stop = end;
        }

        size_t host_length = (size_t) (stop - host);
        if (host_length == 0 || host_length >= 256)
                return false;
        memcpy(ret_host, host, host_length);
        ret_host[host_length] = '\0';

        const char *rest = stop + is_bracketed;
        if (rest < end && *rest != ':')
                return false;

        *ret_port = rest < end ? rest + 1 : "";
        return rest == end || rest + 1 < end;
}

static bool is_address(const char *host, bool is_bracketed) {
        struct in6_addr scratch;

        return inet_pton(is_bracketed ? AF_INET6 : AF_INET, host, &scratch) == 1;
}

static bool is_host(const char *host, bool is_bracketed) {
        return is_bracketed ? is_address(host, /* is_bracketed= */ true) : consists_of(host, ".-_");
}

static bool is_url(const char *text) {
        size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                        : strncmp(text, "https://", 8) == 0 ? 8
                                                            : 0;
        char authority[512];
        char host[256];
        const char *port;

        if (scheme == 0 || strpbrk(text, " \"<>\\^`{|}"))
                return false;

        /* User and password may stand before the host. */
        const char *start = text + scheme;
        size_t length = strcspn(start, "/?#");
        const char *at = memrchr(start, '@', length);
        if (at) {
                length -= (size_t) (at + 1 - start);
                start = at + 1;
        }

        if (length >= sizeof(authority))
                return false;
        memcpy(authority, start, length);
        authority[length] = '\0';

        return split_host(authority, length, host, &port) && is_host(host, *authority == '[') &&
               (*port == '\0' || is_port(port));
}

static bool is_listen(const char *text) {
        char host[256];
        const char *port;

        return split_host(text, strlen(text), host, &port) && is_port(port) &&
               (is_address(host, *text == '[') || strcmp(host, "localhost") == 0);
}

static int put_copy(const Task *task, const char *text, const char **ret_text) {
        const char *copy = arena_copy(task->loader->arena, text, strlen(text));
        if (!copy)
                return -ENOMEM;

        *ret_text = copy;
        return 0;
}

/* What a relative path starts at: the root, and for the root itself the folder of the file. */
static void put_start(const Task *task, Buf *buf) {
        const char *path = task->loader->path;

        if (strcmp(task->key->path, "root") != 0)
                buf_put(buf, task->loader->config->root);
        else
                buf_put_n(buf, path, (size_t) (strrchr(path, '/') ? strrchr(path, '/') - path : 0));
}

static int put_path(const Task *task, const char *text, const char **ret_path) {
        char path[PATH_SIZE];
        Buf buf;

        if (*text == '~')
                return loader_refuse(task->loader, task->node->mark, task->where,
                                     _("a tilde is not expanded; write the folder out"));

        buf_init(&buf, path, sizeof(path));
        if (*text != '/') {
                put_start(task, &buf);
                if (path[0] != '/' && *task->loader->path != '/')
                        return loader_refuse(task->loader, task->node->mark, task->where,
                                             _("expected an absolute path, got \"%.*s\""), GOT_SIZE,
                                             text);
                if (buf.length == 0 || path[buf.length - 1] != '/')
                        buf_put(&buf, "/");
        }

        while (strncmp(text, "./", 2) == 0)
                text += 2;
        if (strcmp(text, ".") != 0)
                buf_put(&buf, text);
        /* A closing slash says nothing and would make two names of one place. */
        while (buf.length > 1 && path[buf.length - 1] == '/')
                path[--buf.length] = '\0';

        if (buf.is_truncated)
                return loader_refuse(task->loader, task->node->mark, task->where,
                                     _("this path is longer than %d bytes"), PATH_SIZE - 1);

        return put_copy(task, path, ret_path);
}

/* Texts of all kinds. */
static int read_text(const Task *task, const char **ret_text) {
        const char *text = task->node->text;
        bool is_fit = true;

        if (task->node->kind != NODE_TEXT || node_is_nothing(task->node))
                return refuse_value(task);
        /* An empty word is a word all the same; anything else that is empty was forgotten. */
        if (*text == '\0' && task->type != VALUE_WORDS)
                return refuse_value(task);

        if (task->type == VALUE_PATH)
                return put_path(task, text, ret_text);

        if (task->type == VALUE_NAME)
                is_fit = is_name(text);
        else if (task->type == VALUE_UNIT)
                is_fit = is_unit(text);
        else if (task->type == VALUE_URL)
                is_fit = is_url(text);
        else if (task->type == VALUE_LISTEN && strcmp(text, "off") == 0)
                text = "";
        else if (task->type == VALUE_LISTEN)
                is_fit = is_listen(text);

        return is_fit ? put_copy(task, text, ret_text) : refuse_value(task);
}

static int parse_number(ValueType type, const char *text, uint64_t *ret) {
        uint32_t permille;

        if (type == VALUE_DURATION)
                return text_parse_duration(text, ret);
        if (type == VALUE_SIZE)
                return text_parse_size(text, ret);
        if (type != VALUE_PERCENT)
                return text_parse_u64(text, ret);

        int r = text_parse_percent(text, &permille);
        if (r >= 0)
                *ret = permille;
        return r;
}

static int read_number(const Task *task, uint64_t *ret) {
        uint64_t number;

        if (task->node->kind != NODE_TEXT || node_is_nothing(task->node))
                return refuse_value(task);

        int r = parse_number(task->key->type, task->node->text, &number);
        if (r == -ERANGE || (r >= 0 && (number < task->key->min || number > task->key->max)))
                return refuse_range(task);
        if (r < 0)
                return refuse_value(task);

        *ret = number;
        return 0;
}

/* The signals that end a program, by intention at least; STOP and its like would leave it frozen. */
static int signal_of(const char *text) {
        static const int signals[] = { SIGTERM, SIGINT,  SIGQUIT, SIGHUP,
                                       SIGKILL, SIGUSR1, SIGUSR2, SIGABRT };

        if (strncmp(text, "SIG", 3) == 0)
                text += 3;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (strcmp(sigabbrev_np(signals[i]), text) == 0)
                        return signals[i];

        return -1;
}

static int read_word(const Task *task, uint64_t *ret) {
        int number = -1;

        if (task->node->kind == NODE_TEXT && task->key->type == VALUE_SIGNAL)
                number = signal_of(task->node->text);
        else if (task->node->kind == NODE_TEXT && task->key->type == VALUE_LEVEL)
                number = level_from_string(task->node->text);
        else if (task->node->kind == NODE_TEXT) {
                number = choice_of(task->key->choices, task->node->text);
                if (number < 0 && strcmp(task->key->choices, "no|yes") == 0)
                        number = choice_of("false|true", task->node->text);
        }

        if (number < 0 && task->key->choices)
                return refuse_choice(task);
        if (number < 0 ||
            (task->key->type == VALUE_LEVEL && number != LEVEL_WARNING && number != LEVEL_CRITICAL))
                return refuse_value(task);

        *ret = (uint64_t) number;
        return 0;
}

static void put_number(const Task *task, uint64_t number, void *base) {
        char *field = (char *) base + task->key->offset;
        uint32_t narrow = (uint32_t) number;
        bool truth = number != 0;

        if (!task->key->is_stored)
                task->loader->aside[key_index(task->key)] = number;
        else if (task->key->size == sizeof(number))
                memcpy(field, &number, sizeof(number));
        else if (task->key->size == sizeof(narrow))
                memcpy(field, &narrow, sizeof(narrow));
        else {
                assert(task->key->size == sizeof(truth));
                memcpy(field, &truth, sizeof(truth));
        }
}

uint64_t value_get_number(const Loader *loader, const Key *key, const void *base) {
        const char *field = (const char *) base + key->offset;
        uint64_t number = 0;
        uint32_t narrow;

        if (!key->is_stored)
                return loader->aside[key_index(key)];

        if (key->size == sizeof(narrow)) {
                memcpy(&narrow, field, sizeof(narrow));
                return narrow;
        }

        assert(key->size == sizeof(number));
        memcpy(&number, field, sizeof(number));
        return number;
}

/* What an entry of such a list is. */
static ValueType entry_type(const Key *key, const Node *entry, unsigned number) {
        /* A relative program with a slash is one of the project's own; without a slash it is looked for in PATH. */
        if (key->type == VALUE_WORDS && number == 0 && strchr(entry->text, '/'))
                return VALUE_PATH;
        if (key->type == VALUE_PATHS)
                return VALUE_PATH;
        if (key->type == VALUE_URLS)
                return VALUE_URL;

        return key->type == VALUE_TEXTS ? VALUE_TEXT : key->type;
}

static int put_list(const Task *task, void *base) {
        const Key *key = task->key;
        unsigned room = key->type == VALUE_WORDS ? key->most - 1 : key->most;
        unsigned n = 0;

        if (task->node->kind != NODE_LIST)
                return refuse_value(task);
        if (task->node->n_children > room)
                return loader_refuse(task->loader, task->node->mark, task->where,
                                     _("%u entries are too many; there is room for %u"),
                                     task->node->n_children, room);

        const char **texts =
                key->is_stored ? (const char **) (void *) ((char *) base + key->offset) : NULL;
        for (const Node *child = task->node->first; child; child = child->next, n++) {
                char where[CONFIG_ERROR_SIZE];
                const char *text = "";

                (void) snprintf(where, sizeof(where), "%s[%u]", task->where, n);
                Task entry = {
                        .loader = task->loader,
                        .key = key,
                        .type = entry_type(key, child, n),
                        .where = where,
                        .node = child,
                };

                int r = read_text(&entry, &text);
                if (r < 0)
                        return r;
                if (texts)
                        texts[n] = text;
        }

        if (texts)
                memcpy((char *) base + key->offset_count, &n, sizeof(n));
        return 0;
}

static int put_text(const Task *task, void *base) {
        const char *text;

        int r = read_text(task, &text);
        if (r >= 0 && task->key->is_stored)
                memcpy((char *) base + task->key->offset, &text, sizeof(text));
        return r;
}

static int put_choice(const Task *task, void *base) {
        uint64_t number = 0;

        int r = read_word(task, &number);
        if (r < 0)
                return r;

        if (task->key->type == VALUE_CHOICE)
                return put_text(task, base);

        put_number(task, number, base);
        return 0;
}

int value_put(Loader *loader, const Key *key, const char *where, const Node *node, void *base) {
        Task task = {
                .loader = loader, .key = key, .type = key->type, .where = where, .node = node
        };
        uint64_t number = 0;
        int r = 0;

        switch (key->type) {
        case VALUE_TEXT:
        case VALUE_NAME:
        case VALUE_UNIT:
        case VALUE_PATH:
        case VALUE_URL:
        case VALUE_LISTEN:
                return put_text(&task, base);
        case VALUE_TEXTS:
        case VALUE_PATHS:
        case VALUE_URLS:
        case VALUE_WORDS:
                return put_list(&task, base);
        case VALUE_DURATION:
        case VALUE_SIZE:
        case VALUE_PERCENT:
        case VALUE_COUNT:
                r = read_number(&task, &number);
                if (r >= 0)
                        put_number(&task, number, base);
                return r;
        case VALUE_SWITCH:
        case VALUE_CHOICE:
        case VALUE_SIGNAL:
        case VALUE_LEVEL:
                return put_choice(&task, base);
        case VALUE_SECTION:
        case VALUE_RECORDS:
        case _VALUE_TYPE_MAX:
                break;
        }

        assert(false && "sections and records have no value of their own");
        return -EINVAL;
}

int value_put_fallback(Loader *loader, const Key *key, void *base) {
        bool is_list = key->fallback && *key->fallback == '[';
        Node text = { .kind = NODE_TEXT, .text = key->fallback };
        Node *node = &text;

        if (!key->fallback || key->type == VALUE_SECTION || key->type == VALUE_RECORDS)
                return 0;

        if (is_list) {
                int r = tree_parse_own(key->fallback, loader->scratch, &node);
                if (r < 0)
                        return r;
        }

        return value_put(loader, key, key->path, node, base);
}
