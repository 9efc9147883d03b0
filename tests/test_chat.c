/* test_chat.c: each built-in template gives the bytes of the published Jinja template (rendered by Jinja2 with Hugging Face's settings, BOS
 * in front taken off), is recognised in its text, and refuses what it cannot say. */
#include <string.h>

#include "models/text/text.h"
#include "tensor/platform.h"
#include "tests/suite.h"
#include "tests/support/json.h"
#include "tests/support/vocab.h"

/* ---- the published templates ---------------------------------------------------------------------------------------------- */

/* SmolLM2-135M-Instruct */
static const char smollm2_text[] =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a he"
    "lpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + "
    "'\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' "
    "}}{% endif %}";

/* Llama-2-7b-chat-hf */
static const char llama2_text[] =
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['conte"
    "nt'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_mes"
    "sages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must altern"
    "ate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content"
    " = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['conten"
    "t'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif mes"
    "sage['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";

/* Meta-Llama-3-8B-Instruct */
static const char llama3_text[] =
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['ro"
    "le'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos"
    "_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|e"
    "nd_header_id|>\n\n' }}{% endif %}";

/* TinyLlama-1.1B-Chat-v1.0 */
static const char tinyllama_text[] =
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] ="
    "= 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_genera"
    "tion_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}";

/* mistralai's cookbook, v1 */
static const char mistral_v1_text[] =
    "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content'] %}\n    {%- set loop_mess"
    "ages = messages[1:] %}\n{%- else %}\n    {%- set loop_messages = messages %}\n{%- endif %}\n\n{{- bos_token }}\n{%- for "
    "message in loop_messages %}\n    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\n        {{- raise_exce"
    "ption('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}\n    "
    "{%- endif %}\n    {%- if message['role'] == 'user' %}\n        {%- if loop.first and system_message is defined %}\n     "
    "       {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}\n        {%- else %}\n           "
    " {{- ' [INST] ' + message['content'] + ' [/INST]' }}\n        {%- endif %}\n    {%- elif message['role'] == 'assistant' "
    "%}\n        {{- ' ' + message['content'] + eos_token}}\n    {%- else %}\n        {{- raise_exception('Only user and assi"
    "stant roles are supported, with the exception of an initial optional system message!') }}\n    {%- endif %}\n{%- endfor "
    "%}\n";

/* Mistral-7B-Instruct-v0.2 */
static const char mistral_v02_text[] =
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_excep"
    "tion('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user'"
    " %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos"
    "_token}}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}";

/* Qwen2.5: escapes inside the literal, and a literal without a message before the one with it. */
static const char qwen25_text[] =
    "{%- if tools %}\n    {{- '<|im_start|>system\\n' }}\n{%- else %}\n    {%- if messages[0]['role'] == 'system' %}\n"
    "        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n    {%- else %}\n"
    "        {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You\\'re \"helpful\".<|im_end|>\\n' }}\n    {%- endif %}\n"
    "{%- endif %}\n";

/* ---- helpers ------------------------------------------------------------------------------------------------------------------ */

static const tl_message one[] = {{"user", " Hi\n"}};
static const tl_message two[] = {{"system", " Be brief. "}, {"user", " Hi\n"}};
static const tl_message four[] = {{"system", " Be brief. "}, {"user", " Hi\n"}, {"assistant", " Hello! "}, {"user", "More\u00a0"}};

static void expect(const tl_chat *c, const tl_message *m, int n, const char *want) {
    tl_text out = {0};
    tl_error err = {0};
    ck_assert_ptr_nonnull(c);
    ck_assert_msg(tl_chat_render(c, m, n, true, &out, &err) == TL_OK, "%s", err.message);
    ck_assert_str_eq(out.data, want);
    tl_text_free(&out);
}

static void expect_refused(const char *name, const tl_message *m, int n, const char *part) {
    tl_text out = {0};
    tl_error err = {0};
    ck_assert_int_eq(tl_chat_render(tl_chat_by_name(name), m, n, true, &out, &err), TL_ERR_USAGE);
    ck_assert_msg(strstr(err.message, part) != NULL, "'%s' lacks '%s'", err.message, part);
    ck_assert_uint_eq(out.n, 0);
    tl_text_free(&out);
}

static tl_gguf *file_with_template(const char *template, tl_text *bytes) {
    tl_error err = {0};
    tl_gguf *g = NULL;
    small_vocab *v = malloc(sizeof *v);
    small_spm(v);
    v->chat_template = template;
    ck_assert_msg(small_write(v, bytes, &err) == TL_OK, "%s", err.message);
    ck_assert_msg(tl_gguf_from_memory(&g, bytes->data, bytes->n, &err) == TL_OK, "%s", err.message);
    free(v);
    return g;
}

static void expect_default(const char *template, const char *want) {
    tl_text bytes = {0}, system = {0};
    tl_error err = {0};
    const tl_chat *c;
    tl_gguf *g = file_with_template(template, &bytes);
    ck_assert_msg(tl_chat_of_model(g, &c, &system, &err) == TL_OK, "%s", err.message);
    ck_assert_str_eq(tl_chat_name(c), "chatml");
    ck_assert_str_eq(system.n > 0 ? system.data : "", want);
    tl_gguf_free(g);
    tl_text_free(&bytes);
    tl_text_free(&system);
}

/* ---- rendering ---------------------------------------------------------------------------------------------------------------- */

START_TEST(chatml_renders_as_published) {
    const tl_chat *c = tl_chat_by_name("chatml");
    expect(c, one, 1, "<|im_start|>user\n Hi\n<|im_end|>\n<|im_start|>assistant\n");
    expect(c, four, 4,
           "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\n Hi\n<|im_end|>\n<|im_start|>assistant\n Hello! <|im_end|>\n"
           "<|im_start|>user\nMore\u00a0<|im_end|>\n<|im_start|>assistant\n");
}
END_TEST

START_TEST(llama2_renders_as_published) {
    const tl_chat *c = tl_chat_by_name("llama2");
    expect(c, one, 1, "[INST] Hi [/INST]");
    expect(c, two, 2, "[INST] <<SYS>>\n Be brief. \n<</SYS>>\n\n Hi [/INST]");
    expect(c, four, 4, "[INST] <<SYS>>\n Be brief. \n<</SYS>>\n\n Hi [/INST] Hello! </s><s>[INST] More [/INST]");
    const tl_message blank[] = {{"system", "S"}, {"user", " \n"}};
    expect(c, blank, 2, "[INST] <<SYS>>\nS\n<</SYS>> [/INST]");
}
END_TEST

START_TEST(llama3_renders_as_published) {
    const tl_chat *c = tl_chat_by_name("llama3");
    expect(c, one, 1, "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
    expect(c, four, 4,
           "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
           "<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nMore<|eot_id|>"
           "<|start_header_id|>assistant<|end_header_id|>\n\n");
}
END_TEST

START_TEST(zephyr_renders_as_published) {
    const tl_chat *c = tl_chat_by_name("zephyr");
    expect(c, one, 1, "<|user|>\n Hi\n</s>\n<|assistant|>\n");
    expect(c, four, 4,
           "<|system|>\n Be brief. </s>\n<|user|>\n Hi\n</s>\n<|assistant|>\n Hello! </s>\n<|user|>\nMore\u00a0</s>\n<|assistant|>\n");
}
END_TEST

START_TEST(mistral_renders_as_published) {
    const tl_chat *c = tl_chat_by_name("mistral");
    expect(c, one, 1, " [INST]  Hi\n [/INST]");
    expect(c, two, 2, " [INST]  Be brief. \n\n Hi\n [/INST]");
    expect(c, four, 4, " [INST]  Be brief. \n\n Hi\n [/INST]  Hello! </s> [INST] More\u00a0 [/INST]");
    c = tl_chat_by_template(mistral_v02_text, sizeof mistral_v02_text - 1);
    expect(c, four + 1, 3, "[INST]  Hi\n [/INST] Hello! </s>[INST] More\u00a0 [/INST]");
}
END_TEST

START_TEST(without_add_assistant_no_turn_is_opened) {
    tl_text out = {0};
    tl_error err = {0};
    ck_assert_int_eq(tl_chat_render(tl_chat_by_name("chatml"), one, 1, false, &out, &err), TL_OK);
    ck_assert_str_eq(out.data, "<|im_start|>user\n Hi\n<|im_end|>\n");
    ck_assert_int_eq(tl_chat_render(tl_chat_by_name("llama3"), two, 1, false, &out, &err), TL_OK); /* appends */
    ck_assert_str_eq(out.data, "<|im_start|>user\n Hi\n<|im_end|>\n<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>");
    tl_text_free(&out);
}
END_TEST

START_TEST(unknown_roles_and_orders_are_refused_by_number_and_name) {
    const tl_message tool[] = {{"user", "a"}, {"to\nol", "b"}};
    const tl_message twice[] = {{"user", "a"}, {"user", "b"}};
    const tl_message answer_first[] = {{"assistant", "a"}};
    const tl_message late_system[] = {{"user", "a"}, {"system", "b"}};
    const tl_message empty_role[] = {{NULL, "a"}}, empty_content[] = {{"user", NULL}};
    expect_refused("chatml", tool, 2, "message 1 has the role 'to\\nol'");
    expect_refused("llama2", twice, 2, "message 1 is of the role user where the template llama2 wants assistant");
    expect_refused("mistral", answer_first, 1, "message 0 is of the role assistant");
    expect_refused("mistral", late_system, 2, "message 1 is of the role system");
    expect_refused("llama2", two, 1, "needs a user message");
    expect_refused("zephyr", empty_role, 1, "has no role");
    expect_refused("zephyr", empty_content, 1, "has no content");
    expect_refused("chatml", one, 0, "at least one message");
    expect_refused("no such", one, 1, "needs a template");
}
END_TEST

/* ---- recognition -------------------------------------------------------------------------------------------------------------- */

START_TEST(published_templates_are_recognised) {
    static const struct {
        const char *text, *name;
    } known[] = {
        {smollm2_text, "chatml"},   {qwen25_text, "chatml"},      {llama2_text, "llama2"},       {llama3_text, "llama3"},
        {tinyllama_text, "zephyr"}, {mistral_v1_text, "mistral"}, {mistral_v02_text, "mistral"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_str_eq(tl_chat_name(tl_chat_by_template(known[i].text, strlen(known[i].text))), known[i].name);
    ck_assert_ptr_eq(tl_chat_by_template(mistral_v1_text, sizeof mistral_v1_text - 1), tl_chat_by_name("mistral"));
}
END_TEST

START_TEST(templates_of_other_families_are_not_taken_for_ours) {
    static const char *const foreign[] = {
        "",
        "{{ messages }}",
        "<|im_start",
        "'<|im_start|>' + role + '<|im_sep|>'",
        "<|im_start|>User: <end_of_utterance>",
        "<|user|>\n<|end|>\n<|assistant|> eos_token",
        "<|user|> eos_token <|endoftext|>",
        "<|user|>",
        "[SYSTEM_PROMPT] [INST]",
        "[AVAILABLE_TOOLS] [INST] <<SYS>>",
        "<start_of_turn>",
        "<|start_header_id|>",
        "<|header_start|>",
    };
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        ck_assert_msg(tl_chat_by_template(foreign[i], strlen(foreign[i])) == NULL, "'%s' is taken for %s", foreign[i],
                      tl_chat_name(tl_chat_by_template(foreign[i], strlen(foreign[i]))));
    ck_assert_ptr_null(tl_chat_by_template(NULL, 0));
}
END_TEST

START_TEST(names_lists_what_by_name_finds) {
    char names[128];
    int n = 0;
    ck_assert_uint_lt(strlen(tl_chat_names()), sizeof names);
    strcpy(names, tl_chat_names());
    for (char *name = strtok(names, ", "); name != NULL; name = strtok(NULL, ", "), n++)
        ck_assert_str_eq(tl_chat_name(tl_chat_by_name(name)), name);
    ck_assert_int_eq(n, 5);
    ck_assert_ptr_null(tl_chat_by_name("ChatML"));
    ck_assert_ptr_null(tl_chat_by_name(""));
    ck_assert_ptr_null(tl_chat_by_name(NULL));
}
END_TEST

START_TEST(the_default_system_message_is_read_from_the_template) {
    expect_default(smollm2_text, "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
    expect_default(qwen25_text, "You are Qwen, created by Alibaba Cloud. You're \"helpful\".");
    expect_default("{{ '<|im_start|>' + message['role'] }}", "");
    expect_default("{{ '<|im_start|>system\n' + messages[0] + '<|im_end|>' }}", "");
    expect_default("{{ '<|im_start|>system\n<|im_end|>' }}", "");
    expect_default("{{ '<|im_start|>system<|im_end|>' }}", "");
    expect_default("<|im_start|>system\nnot a literal<|im_end|>", "");
    expect_default("{{ '<|im_start|>system\nnever closed", "");
    expect_default("{{ '<|im_start|>system\nnever closed \\", "");
    expect_default("{{ '<|im_start|>system\\", "");
    expect_default("{{ '<|im_start|>system", "");
}
END_TEST

START_TEST(a_mebibyte_of_unfinished_defaults_is_no_matter) {
    static const char piece[] = "'<|im_start|>system\\n";
    size_t n = 50000, len = sizeof piece - 1;
    char *text = malloc(n * len + 1);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * len, piece, len);
    text[n * len] = 0;
    expect_default(text, "");
    for (size_t i = 1; i < n; i++)
        text[i * len] = '"'; /* the first literal never ends */
    expect_default(text, "");
    free(text);
}
END_TEST

START_TEST(a_file_without_a_known_template_says_which_there_are) {
    tl_text bytes = {0};
    tl_error err = {0};
    const tl_chat *c;
    tl_gguf *g = file_with_template(NULL, &bytes);
    ck_assert_int_eq(tl_chat_of_model(g, &c, NULL, &err), TL_ERR_UNSUPPORTED);
    ck_assert_ptr_null(c);
    ck_assert_ptr_nonnull(strstr(err.message, "no chat template"));
    ck_assert_ptr_nonnull(strstr(err.message, "choose one of"));
    ck_assert_ptr_nonnull(strstr(err.message, tl_chat_names()));
    tl_gguf_free(g);
    tl_text_free(&bytes);
    g = file_with_template("{{ strange\x1b[31m }}", &bytes);
    ck_assert_int_eq(tl_chat_of_model(g, &c, NULL, &err), TL_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "unknown chat template"));
    ck_assert_ptr_nonnull(strstr(err.message, "strange"));
    ck_assert_ptr_null(strchr(err.message, 0x1b));
    ck_assert_ptr_nonnull(strstr(err.message, tl_chat_names()));
    tl_gguf_free(g);
    tl_text_free(&bytes);
    c = tl_chat_by_name("zephyr");
    ck_assert_int_eq(tl_chat_of_model(NULL, &c, NULL, &err), TL_ERR_USAGE);
    ck_assert_ptr_null(c);
}
END_TEST

/* ---- failure and reference -------------------------------------------------------------------------------------------------------- */

START_TEST(every_failing_allocation_gives_a_status_and_no_leak) {
    static const char *const names[] = {"chatml", "llama2", "llama3", "zephyr", "mistral"};
    char large[400];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    const tl_message m[] = {{"system", large}, {"user", large}, {"assistant", large}, {"user", large}};
    tl_text bytes = {0};
    tl_gguf *g = file_with_template(smollm2_text, &bytes);
    for (int i = 0; i < 6; i++)
        for (long at = 0;; at++) {
            tl_text out = {0};
            tl_error err = {0};
            const tl_chat *c;
            tl_alloc_fail_at(at, false);
            tl_status s = i < 5 ? tl_chat_render(tl_chat_by_name(names[i]), m, 4, true, &out, &err) : tl_chat_of_model(g, &c, &out, &err);
            bool reached = tl_alloc_count() > at;
            tl_alloc_fail_at(-1, false);
            ck_assert_int_eq(s, reached ? TL_ERR_MEMORY : TL_OK);
            if (reached)
                ck_assert_uint_eq(out.n, 0);
            tl_text_free(&out);
            if (!reached)
                break;
        }
    tl_gguf_free(g);
    tl_text_free(&bytes);
}
END_TEST

START_TEST(the_demo_model_renders_and_encodes_its_reference_chats) {
    const char *model = getenv("TALLY_DEMO_MODEL"), *data = getenv("TALLY_TEST_DATA");
    if (model == NULL || data == NULL)
        SKIP("needs TALLY_DEMO_MODEL and TALLY_TEST_DATA");
    char path[1024];
    snprintf(path, sizeof path, "%s/ref/smollm2-135m-instruct-q4_1.json", data);
    json *ref = json_load(path);
    ck_assert_msg(ref != NULL, "cannot read %s", path);
    tl_error err = {0};
    tl_gguf *g;
    tl_tokenizer *t;
    const tl_chat *c;
    tl_text system = {0};
    ck_assert_msg(tl_gguf_open(&g, model, &err) == TL_OK, "%s", err.message);
    ck_assert_msg(tl_tokenizer_new(&t, g, &err) == TL_OK, "%s", err.message);
    ck_assert_msg(tl_chat_of_model(g, &c, &system, &err) == TL_OK, "%s", err.message);
    const json *chats = json_get(ref, "chat");
    ck_assert_uint_eq(chats->count, 4);
    for (size_t i = 0; i < chats->count; i++) {
        const json *messages = json_get(&chats->item[i], "messages"), *ids = json_get(&chats->item[i], "prompt_ids");
        tl_message m[8];
        int n = 0;
        if (strcmp(json_get(&messages->item[0], "role")->string, "system") != 0)
            m[n++] = (tl_message){"system", system.data};
        for (size_t k = 0; k < messages->count; k++)
            m[n++] = (tl_message){json_get(&messages->item[k], "role")->string, json_get(&messages->item[k], "content")->string};
        tl_text out = {0};
        tl_ids got = {0};
        ck_assert_int_eq(tl_chat_render(c, m, n, true, &out, &err), TL_OK);
        ck_assert_str_eq(out.data, json_get(&chats->item[i], "rendered")->string);
        ck_assert_int_eq(tl_tokenizer_encode(t, out.data, out.n, TL_ENCODE_SPECIAL | TL_ENCODE_PARSE, &got, &err), TL_OK);
        ck_assert_uint_eq(got.n, ids->count);
        for (size_t k = 0; k < got.n; k++)
            ck_assert_int_eq(got.id[k], (int32_t)ids->item[k].number);
        tl_ids_free(&got);
        tl_text_free(&out);
    }
    tl_text_free(&system);
    tl_tokenizer_free(t);
    tl_gguf_free(g);
    json_free(ref);
}
END_TEST

static Suite *chat_suite(void) {
    Suite *s = suite_create("chat");
    TCase *c = tcase_create("chat");
    tcase_add_test(c, chatml_renders_as_published);
    tcase_add_test(c, llama2_renders_as_published);
    tcase_add_test(c, llama3_renders_as_published);
    tcase_add_test(c, zephyr_renders_as_published);
    tcase_add_test(c, mistral_renders_as_published);
    tcase_add_test(c, without_add_assistant_no_turn_is_opened);
    tcase_add_test(c, unknown_roles_and_orders_are_refused_by_number_and_name);
    tcase_add_test(c, published_templates_are_recognised);
    tcase_add_test(c, templates_of_other_families_are_not_taken_for_ours);
    tcase_add_test(c, names_lists_what_by_name_finds);
    tcase_add_test(c, the_default_system_message_is_read_from_the_template);
    tcase_add_test(c, a_mebibyte_of_unfinished_defaults_is_no_matter);
    tcase_add_test(c, a_file_without_a_known_template_says_which_there_are);
    tcase_add_test(c, every_failing_allocation_gives_a_status_and_no_leak);
    tcase_add_test(c, the_demo_model_renders_and_encodes_its_reference_chats);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    return s;
}

int main(void) {
    return run_suite(chat_suite());
}
