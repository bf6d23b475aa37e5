/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The line that scripts read, that the spool keeps and that the store is fed with.
 *
 * The event line: byte for byte as documented, whole whatever is put in, and read back as it was.
 * What is not such a line is refused and leaves the result alone.
 */

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/text.h"
#include "model/event.h"
#include "unit.h"

#define LINE_SIZE 4096

#define HEAD "{\"seq\": 42, \"time\": \"2026-11-23T10:00:00.123456Z\", \"service\": \"bot\", "
#define TAIL "\"kind\": \"held\", \"level\": \"critical\", \"text\": \"t\", \"reason\": {}}"

static Event example(void) {
        Event event = {
                .seq = 42,
                .realtime_usec = 1795428000123456,
                .kind = EVENT_RESTART_DECIDED,
                .level = LEVEL_CRITICAL,
        };

        (void) text_copy(event.service, sizeof(event.service), "albratrading-multi");
        (void) text_copy(event.text, sizeof(event.text), "api: \"no answer\", 3 times\n다시 시작");
        (void) text_copy(event.reason, sizeof(event.reason),
                         "{\"code\": \"consecutive-failures\", \"failures\": 3}");
        return event;
}

static const char *render(char line[static LINE_SIZE], const Event *event) {
        Buf buf;

        buf_init(&buf, line, LINE_SIZE);
        event_render_json(event, &buf);
        assert_false(buf.is_truncated);
        return line;
}

static void assert_event_equal(const Event *a, const Event *b) {
        assert_int_equal(a->seq, b->seq);
        assert_int_equal(a->realtime_usec, b->realtime_usec);
        assert_int_equal(a->kind, b->kind);
        assert_int_equal(a->level, b->level);
        assert_string_equal(a->service, b->service);
        assert_string_equal(a->text, b->text);
        assert_string_equal(a->reason, b->reason);
}

static void test_is_as_documented(void **state) {
        char line[LINE_SIZE];
        Event event = example();

        (void) state;
        assert_string_equal(render(line, &event),
                            "{\"seq\": 42, \"time\": \"2026-11-23T10:00:00.123456Z\", "
                            "\"service\": \"albratrading-multi\", \"kind\": \"restart-decided\", "
                            "\"level\": \"critical\", "
                            "\"text\": \"api: \\\"no answer\\\", 3 times\\n다시 시작\", "
                            "\"reason\": {\"code\": \"consecutive-failures\", \"failures\": 3}}");
}

static void test_round_trip(void **state) {
        char line[LINE_SIZE];

        (void) state;
        for (unsigned kind = 0; kind < _EVENT_KIND_MAX; kind++)
                for (unsigned level = 0; level < _LEVEL_MAX; level++) {
                        Event event = example();
                        Event back;

                        event.kind = (EventKind) kind;
                        event.level = (Level) level;
                        (void) render(line, &event);
                        assert_int_equal(event_parse_json(line, strlen(line), &back), 0);
                        assert_event_equal(&back, &event);
                }
}

static void test_fullest_and_emptiest(void **state) {
        char line[LINE_SIZE];
        Event event = { .seq = UINT64_MAX, .realtime_usec = 253402300799999999 };
        Event back;

        (void) state;
        (void) text_copy(event.reason, sizeof(event.reason), "{}");
        (void) render(line, &event);
        assert_int_equal(event_parse_json(line, strlen(line), &back), 0);
        assert_event_equal(&back, &event);

        memset(event.service, 's', sizeof(event.service) - 1);
        memset(event.text, '"', sizeof(event.text) - 1);
        memset(event.reason, ' ', sizeof(event.reason) - 1);
        event.reason[0] = '{';
        event.reason[sizeof(event.reason) - 2] = '}';
        (void) render(line, &event);
        assert_int_equal(event_parse_json(line, strlen(line), &back), 0);
        assert_event_equal(&back, &event);
}

static void test_a_torn_reason_does_not_spoil_the_line(void **state) {
        static const char *const torn[] = { "",     "{",     "{\"code\": \"x", "[]",
                                            "null", "{} {}", "{\"a\": 1,}",    "{\"a\":\n1}" };
        char line[LINE_SIZE];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(torn); i++) {
                Event event = example();
                Event back;

                (void) text_copy(event.reason, sizeof(event.reason), torn[i]);
                (void) render(line, &event);
                assert_int_equal(event_parse_json(line, strlen(line), &back), 0);
                assert_string_equal(back.reason, "{}");
                assert_string_equal(back.text, event.text);
        }
}

static void test_hostile_text_stays_one_line(void **state) {
        char line[LINE_SIZE];
        Event event = example();
        Event back;

        (void) state;
        /* Every byte there is, and then bytes that are no UTF-8: they grow on the way out, and are cut on the way in. */
        for (size_t i = 0; i < sizeof(event.text) - 1; i++)
                event.text[i] = (char) (i < 255 ? i + 1 : 0xFF);
        (void) render(line, &event);
        assert_null(strpbrk(line, "\n\r"));
        assert_int_equal(event_parse_json(line, strlen(line), &back), 0);
        assert_memory_equal(back.text, event.text, 127);
        assert_true(strlen(back.text) < sizeof(back.text));
}

static void test_reads_what_others_write(void **state) {
        static const char *const lines[] = {
                HEAD TAIL,
                " " HEAD TAIL "\n",
                HEAD "\"since\": {\"a\": [1, -2.5e+3, true, null, [[]], {}]}, " TAIL,
                HEAD
                "\"kin\\u0064\": \"held\", \"level\": \"critical\", \"text\": \"\\u0074\", \"reason\": { }}",
        };
        Event event;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                print_message("%s\n", lines[i]);
                assert_int_equal(event_parse_json(lines[i], strlen(lines[i]), &event), 0);
                assert_int_equal(event.kind, EVENT_HELD);
                assert_string_equal(event.text, "t");
        }
}

static void test_decodes_escapes(void **state) {
        static const char line[] =
                "{\"reason\": {}, \"seq\": 1, \"time\": \"2026-11-23T10:00:00.123456Z\", \"service\": \"\", "
                "\"kind\": \"held\", \"level\": \"normal\", "
                "\"text\": \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uc815\\ud83d\\ude00\\ud83d!\\ude00\"}";
        Event event;

        (void) state;
        assert_int_equal(event_parse_json(line, sizeof(line) - 1, &event), 0);
        assert_string_equal(
                event.text,
                "\"\\/\b\f\n\r\t\xC3\xA9\xEC\xA0\x95\xF0\x9F\x98\x80\xEF\xBF\xBD!\xEF\xBF\xBD");
}

static void test_refuses(void **state) {
        static const char *const lines[] = {
                "",
                "{",
                "{}",
                "[]",
                "null",
                "not a line",
                HEAD,
                HEAD TAIL "x",
                HEAD TAIL HEAD TAIL,
                HEAD "\"seq\": 43, " TAIL, /* twice */
                HEAD "\"since\": {\"a\"}, " TAIL,
                HEAD "\"since\": [[[[[[[[[1]]]]]]]]], " TAIL, /* too deep */
                HEAD "\"since\": 01, " TAIL,
                HEAD "\"since\": 1., " TAIL,
                HEAD "\"since\": tru, " TAIL,
                HEAD "\"since\": \"\\x\", " TAIL,
                HEAD "\"since\": \"\\u12\", " TAIL,
                HEAD "\"since\": \"\x01\", " TAIL,
                HEAD "\"since\": \"\xFF\", " TAIL,
                HEAD
                "\"kind\": \"nonsense\", \"level\": \"critical\", \"text\": \"t\", \"reason\": {}}",
                HEAD "\"kind\": \"held\", \"level\": \"bad\", \"text\": \"t\", \"reason\": {}}",
                HEAD "\"kind\": \"held\", \"level\": \"critical\", \"text\": 5, \"reason\": {}}",
                HEAD
                "\"kind\": \"held\", \"level\": \"critical\", \"text\": \"\\u0000\", \"reason\": {}}",
                HEAD
                "\"kind\": \"held\", \"level\": \"critical\", \"text\": \"t\", \"reason\": \"{}\"}",
                HEAD
                "\"kind\": \"held\", \"level\": \"critical\", \"text\": \"t\", \"reason\": {]}",
                HEAD "\"kind\": \"held\", \"level\": \"critical\", \"text\": \"t\"}",
                HEAD
                "\"kind\": \"held\", \"level\": \"critical\", \"text\": \"t\", \"reason\": {},}",
                "{\"seq\": 0, \"time\": \"2026-11-23T10:00:00.123456Z\", \"service\": \"\", " TAIL,
                "{\"seq\": -1, \"time\": \"2026-11-23T10:00:00.123456Z\", \"service\": \"\", " TAIL,
                "{\"seq\": 1.0, \"time\": \"2026-11-23T10:00:00.123456Z\", \"service\": \"\", " TAIL,
                "{\"seq\": \"1\", \"time\": \"2026-11-23T10:00:00.123456Z\", \"service\": \"\", " TAIL,
                "{\"seq\": 18446744073709551616, \"time\": \"2026-11-23T10:00:00.123456Z\", \"service\": \"\", " TAIL,
                "{\"seq\": 1, \"time\": \"yesterday\", \"service\": \"\", " TAIL,
                "{\"seq\": 1, \"time\": \"2026-11-23T10:00:00.123456Z\", \"service\": "
                "\"0123456789012345678901234567890123456789012345678901234567890123\", " TAIL,
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                Event event = { .seq = 4711 };

                print_message("%s\n", lines[i]);
                assert_int_equal(event_parse_json(lines[i], strlen(lines[i]), &event), -EINVAL);
                assert_int_equal(event.seq, 4711);
        }
}

static void test_every_shortened_line_is_refused(void **state) {
        char line[LINE_SIZE];
        Event event = example();
        Event back;

        (void) state;
        size_t length = strlen(render(line, &event));

        for (size_t i = 0; i < length; i++)
                assert_int_equal(event_parse_json(line, i, &back), -EINVAL);
}

static void test_a_zero_byte_is_no_end(void **state) {
        static const char line[] = HEAD TAIL "\0" HEAD;
        Event event;

        (void) state;
        assert_int_equal(event_parse_json(line, sizeof(line) - 1, &event), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_is_as_documented),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_fullest_and_emptiest),
                cmocka_unit_test(test_a_torn_reason_does_not_spoil_the_line),
                cmocka_unit_test(test_hostile_text_stays_one_line),
                cmocka_unit_test(test_reads_what_others_write),
                cmocka_unit_test(test_decodes_escapes),
                cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_every_shortened_line_is_refused),
                cmocka_unit_test(test_a_zero_byte_is_no_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
