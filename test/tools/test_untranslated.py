# SPDX-License-Identifier: Apache-2.0
"""tools/untranslated: each way in which a Korean reader would meet English is found."""

import pytest

HEAD = ('msgid ""\nmsgstr ""\n"Project-Id-Version: a\\n"\n"PO-Revision-Date: a\\n"\n'
        '"Last-Translator: a\\n"\n"Language-Team: a\\n"\n"Language: ko\\n"\n"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=UTF-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n'
        '"Plural-Forms: nplurals=1; plural=0;\\n"\n\n')
CODE = ('const char *a(const char *x) { return say(_("it is %s"), x); }\n'
        'const char *b(unsigned n) { return say(ngettext("%u cat", "%u cats", n), n); }\n'
        'void c(int r) { log_errno(LOG_LEVEL_DEBUG, r, "only for us"); log_info("%s: %s", x, y); }\n')
IS = '#, c-format\nmsgid "it is %s"\nmsgstr "%s입니다"\n\n'
CATS = '#, c-format\nmsgid "%u cat"\nmsgid_plural "%u cats"\nmsgstr[0] "고양이 %u마리"\n'


def check(tree, code=CODE, catalogue=HEAD + IS + CATS, potfiles="src/base/a.c\n", arguments=()):
    tools = tree.own_tools()
    tree.c("src/base/a.c", code)
    tree.c("src/base/b.c", "int d;\n")
    tree.write("po/LINGUAS", "# a comment\nko\n")
    tree.write("po/POTFILES", potfiles)
    tree.write("po/ko.po", catalogue)
    return tree.run(tools / "untranslated", *arguments)


def test_all_is_translated(tree):
    run = check(tree)
    assert run.returncode == 0, run.stdout
    assert "2 messages, each in ko" in run.stdout


@pytest.mark.parametrize("catalogue, said", [
    (IS, 'missing: "%u cat"'),
    (IS + CATS.replace("고양이 %u마리", ""), 'not translated: "%u cat"'),
    (IS + CATS.replace("#, c-", "#, fuzzy, c-"), "fuzzy"),
    (IS + CATS + '\nmsgid "gone"\nmsgstr "없음"\n', 'nobody says this any more: "gone"'),
    (IS + CATS + '\n#~ msgid "gone"\n#~ msgstr "없음"\n', "an old message is kept"),
    (IS.replace("%s입니다", "%d입니다") + CATS, "format specifications"),
    (IS.replace("%s입니다", "그렇습니다") + CATS, "number of format specifications"),
    (IS.replace("%s입니다", "%s가 그것입니다") + CATS, "a particle follows a value"),
    (IS.replace("%s입니다", "그것은 “%1$s”를.") + CATS, "a particle follows a value"),
])
def test_bad_catalogue(tree, catalogue, said):
    run = check(tree, catalogue=HEAD + catalogue)
    assert run.returncode == 1
    assert said in run.stdout


@pytest.mark.parametrize("words", ["%s가게", "“%s” 값이", "%s까지", "%s 이상"])
def test_what_looks_like_a_particle(tree, words):
    run = check(tree, catalogue=HEAD + IS.replace("%s입니다", words) + CATS)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("call", [
    'log_warning("it hurts");',
    'log_error(\n                "the %s hurts", x);',
    'log_errno(LOG_LEVEL_ERROR, -errno, "cannot open %s", x);',
])
def test_log_is_not_wrapped(tree, call):
    run = check(tree, code=CODE + f"void e(int r) {{ {call} }}\n")
    assert run.returncode == 1
    assert "src/base/a.c:" in run.stdout and "not wrapped" in run.stdout


@pytest.mark.parametrize("potfiles, said", [
    ("", "src/base/a.c is missing"),
    ("src/base/a.c\nsrc/base/b.c\n", "src/base/b.c has no message"),
])
def test_list_of_sources(tree, potfiles, said):
    run = check(tree, potfiles=potfiles)
    assert run.returncode == 1
    assert said in run.stdout


def test_write(tree):
    run = check(tree, catalogue=HEAD + IS + '\nmsgid "gone"\nmsgstr "없음"\n', potfiles="",
                arguments=["--write"])
    assert run.returncode == 0, run.stdout
    catalogue = (tree.path / "po" / "ko.po").read_text()
    assert "%s입니다" in catalogue and "gone" not in catalogue and "POT-Creation" not in catalogue
    run = tree.run(tree.path / "tools" / "untranslated")
    assert run.stdout == 'po/ko.po: not translated: "%u cat"\n'
