/* SPDX-License-Identifier: MIT */
/* Options of a mount, as the ext2 and ext4 drivers of Linux take them (ext4(5)). Locking: see super.c. */
#include <maestro/acl.h>

#include "ext2.h"

static bool option_number(const char *text, u32 *out)
{
	u64 v;

	if (kstrtou64(&text, 0, &v) || *text || v > U32_MAX)
		return false;
	*out = (u32)v;
	return true;
}

static bool option_value(struct ext2_options *o, const char *key, const char *value)
{
	if (!strcmp(key, "errors")) {
		o->errors = !strcmp(value, "continue")	   ? EXT2_ERRORS_CONTINUE
			    : !strcmp(value, "remount-ro") ? EXT2_ERRORS_RO
			    : !strcmp(value, "panic")	   ? EXT2_ERRORS_PANIC
							   : 0u;
		return o->errors != 0;
	}
	if (!strcmp(key, "resuid"))
		return option_number(value, &o->resuid);
	if (!strcmp(key, "resgid"))
		return option_number(value, &o->resgid);
	if (!strcmp(key, "sb"))
		return option_number(value, &o->sb);
	return !strcmp(key, "check") && !strcmp(value, "none");
}

#define FLAG(name, field, value) {name, offsetof(struct ext2_options, field), value}
#define ACCEPTED(name) {name, SIZE_MAX, false} /* says what is so anyway */
static const struct {
	const char *name;
	size_t at;
	bool value;
} flags_known[] = {
	FLAG("grpid", grpid, true), FLAG("bsdgroups", grpid, true), FLAG("nogrpid", grpid, false), FLAG("sysvgroups", grpid, false),
	FLAG("acl", noacl, false), FLAG("noacl", noacl, true), FLAG("minixdf", minixdf, true), FLAG("bsddf", minixdf, false),
	FLAG("noreservation", noreserve, true), FLAG("reservation", noreserve, false), FLAG("norecovery", noload, true), FLAG("noload", noload, true),
	ACCEPTED("nocheck"), ACCEPTED("user_xattr"), ACCEPTED("orlov"), ACCEPTED("nobh"), ACCEPTED("noquota"), ACCEPTED("debug"), ACCEPTED("defaults"),
};

static bool option_flag(struct ext2_options *o, const char *key)
{
	for (unsigned i = 0; i < ARRAY_SIZE(flags_known); i++) {
		if (strcmp(key, flags_known[i].name) != 0)
			continue;
		if (flags_known[i].at != SIZE_MAX)
			*(bool *)((u8 *)o + flags_known[i].at) = flags_known[i].value;
		return true;
	}
	return false;
}

/* "key" or "key=value", which is taken apart. */
static bool option_word(struct ext2_options *o, char *word)
{
	char *eq = strchr(word, '=');

	if (eq)
		*eq = '\0';
	return eq ? option_value(o, word, eq + 1) : option_flag(o, word);
}

#define OPTION_MAX 64

kerr_t ext2_check_option(const char *option)
{
	static const char *const valued[] = { "errors", "resuid", "resgid", "sb", "check" };
	struct ext2_options unused = { 0 };
	char word[OPTION_MAX];

	if (strlcpy(word, option, sizeof(word)) < sizeof(word) && option_word(&unused, word))
		return KERR(0);
	for (unsigned i = 0; i < ARRAY_SIZE(valued); i++)
		if (!strcmp(word, valued[i]))
			return KERR(EINVAL);
	return KERR(ENOENT);
}

kerr_t ext2_options_parse(const struct super *sb, const char *data, struct ext2_options *o)
{
	while (data && *data) {
		const char *end = strchr(data, ',');
		size_t n = end ? (size_t)(end - data) : strlen(data);
		char word[OPTION_MAX];

		if (n >= sizeof(word))
			n = sizeof(word) - 1;
		memcpy(word, data, n);
		word[n] = '\0';
		data = end ? end + 1 : NULL;
		if (!n)
			continue;
		if (!option_word(o, word)) {
			klog_err("EXT2-fs (%s): unrecognized mount option \"%s\" or its value", sb->id, word);
			return KERR(EINVAL);
		}
	}
	return KERR(0);
}

void ext2_options_from_disk(const struct ext2_super *es, struct ext2_options *o)
{
	if (!o->errors)
		o->errors = es->errors == EXT2_ERRORS_RO || es->errors == EXT2_ERRORS_PANIC ? es->errors : EXT2_ERRORS_CONTINUE;
	if (!o->resuid)
		o->resuid = es->def_resuid;
	if (!o->resgid)
		o->resgid = es->def_resgid;
}

void ext2_options_use(struct ext2_sb *s, const struct ext2_options *o, u32 *flags)
{
	*flags = o->noacl ? *flags & ~MS_POSIXACL : *flags | MS_POSIXACL;
	s->errors = o->errors;
	s->resuid = o->resuid;
	s->resgid = o->resgid;
	s->grpid = o->grpid;
	s->minixdf = o->minixdf;
	s->noreserve = o->noreserve;
}

void ext2_show_options(struct super *sb, struct seq_buf *q)
{
	const struct ext2_sb *s = EXT2_SB(sb);

	if (s->sb_option)
		seq_printf(q, ",sb=%u", s->sb_option);
	if (s->minixdf)
		seq_puts(q, ",minixdf");
	if (s->grpid)
		seq_puts(q, ",grpid");
	if (s->noreserve)
		seq_puts(q, ",noreservation");
	if (s->noload)
		seq_puts(q, ",norecovery");
	if (!(sb->flags & MS_POSIXACL))
		seq_puts(q, ",noacl");
	if (s->resuid != s->es->def_resuid)
		seq_printf(q, ",resuid=%u", s->resuid);
	if (s->resgid != s->es->def_resgid)
		seq_printf(q, ",resgid=%u", s->resgid);
	if (s->errors != (s->es->errors ? s->es->errors : EXT2_ERRORS_CONTINUE))
		seq_printf(q, ",errors=%s", s->errors == EXT2_ERRORS_CONTINUE ? "continue" : s->errors == EXT2_ERRORS_RO ? "remount-ro" : "panic");
}
