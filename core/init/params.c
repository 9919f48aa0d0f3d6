/* SPDX-License-Identifier: MIT */
/*
 * The boot line, in Linux's words (kernel-parameters.txt, bootparam(7)). A word that is not ours goes to init: a=b to its environment,
 * others to its arguments; what follows "--" goes to its arguments as it is. Words with a dot in their name are for
 * modules and are dropped, as Linux does. Nothing here can fail.
 */
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>

/* A size or number with K, M, G. The whole text must be one. */
static bool parse_size(const char *s, u64 *out)
{
	u64 v;

	if (kstrtou64(&s, 0, &v))
		return false;
	switch (*s) {
	case 'G':
	case 'g':
		v <<= 10;
		fallthrough;
	case 'M':
	case 'm':
		v <<= 10;
		fallthrough;
	case 'K':
	case 'k':
		v <<= 10;
		s++;
	}
	if (*s)
		return false;
	*out = v;
	return true;
}

static bool parse_int(const char *s, int *out)
{
	bool neg = *s == '-';
	u64 v;

	s += neg;
	if (kstrtou64(&s, 0, &v) || *s || v > S32_MAX)
		return false;
	*out = neg ? -(int)v : (int)v;
	return true;
}

static bool set_flag(struct boot_params *p, const char *word)
{
	if (!strcmp(word, "ro"))
		p->ro = true;
	else if (!strcmp(word, "rw"))
		p->ro = false;
	else if (!strcmp(word, "rootwait"))
		p->rootwait = true;
	else if (!strcmp(word, "quiet"))
		p->quiet = true, p->loglevel = 4;
	else if (!strcmp(word, "debug"))
		p->loglevel = 10;
	else if (!strcmp(word, "nosmp"))
		p->nosmp = true;
	else if (!strcmp(word, "noinitrd"))
		p->noinitrd = true;
	else
		return false;
	return true;
}

static void set_text(char *dst, size_t size, const char *key, const char *value)
{
	if (strlcpy(dst, value, size) >= size)
		klog_warn("boot line: %s= is too long, cut to %s", key, dst);
}

/* false: not one of ours. */
static bool set_value(struct boot_params *p, const char *key, const char *value)
{
	bool ok = true;
	int n = 0;

	if (!strcmp(key, "root")) {
		set_text(p->root, sizeof(p->root), key, value);
	} else if (!strcmp(key, "rootfstype")) {
		set_text(p->rootfstype, sizeof(p->rootfstype), key, value);
	} else if (!strcmp(key, "rootflags")) {
		set_text(p->rootflags, sizeof(p->rootflags), key, value);
	} else if (!strcmp(key, "init") || !strcmp(key, "rdinit")) {
		/* rdinit= is for the program of an initramfs; here both name the first program */
		set_text(p->init, sizeof(p->init), key, value);
	} else if (!strcmp(key, "trace")) {
		set_text(p->trace, sizeof(p->trace), key, value);
	} else if (!strcmp(key, "console")) {
		if (p->nconsoles < ARRAY_SIZE(p->console))
			set_text(p->console[p->nconsoles++], sizeof(p->console[0]), key, value);
	} else if (!strcmp(key, "rootdelay")) {
		ok = parse_int(value, &n) && n >= 0;
		if (ok)
			p->rootdelay = (u32)n;
	} else if (!strcmp(key, "loglevel")) {
		ok = parse_int(value, &p->loglevel);
	} else if (!strcmp(key, "panic")) {
		ok = parse_int(value, &p->panic_timeout);
	} else if (!strcmp(key, "maxcpus")) {
		ok = parse_int(value, &n);
		if (ok && n <= 1)
			p->nosmp = true;
	} else if (!strcmp(key, "mem")) {
		ok = parse_size(value, &p->mem_limit);
	} else if (!strcmp(key, "BOOT_IMAGE")) {
		/* the loader's, for /proc/cmdline only */
	} else {
		return false;
	}
	if (!ok)
		klog_warn("boot line: cannot read %s=%s", key, value);
	return true;
}

static void pass_on(struct boot_params *p, const char *word, bool is_env)
{
	/* the last slots stay NULL: they end the vectors */
	if (is_env) {
		if (p->init_envc < ARRAY_SIZE(p->init_envp) - 1)
			p->init_envp[p->init_envc++] = word;
	} else if (p->init_argc < ARRAY_SIZE(p->init_argv) - 1) {
		p->init_argv[p->init_argc++] = word;
	}
}

/* Cuts the next word off *s in place, without the double quotes around it or its value; NULL at the end. */
static char *next_word(char **s)
{
	char *r = *s, *w, *start;
	bool quoted = false;

	while (*r == ' ' || *r == '\t' || *r == '\n')
		r++;
	if (!*r)
		return NULL;
	for (start = w = r; *r && (quoted || (*r != ' ' && *r != '\t' && *r != '\n')); r++) {
		if (*r == '"')
			quoted = !quoted;
		else
			*w++ = *r;
	}
	*s = *r ? r + 1 : r;
	*w = 0;
	return start;
}

static void take_word(struct boot_params *p, char *word)
{
	char *eq = strchr(word, '='), *dot = strchr(word, '.');
	bool known;

	if (!eq) {
		if (!set_flag(p, word) && !dot)
			pass_on(p, word, false);
		return;
	}
	*eq = 0;
	known = set_value(p, word, eq + 1);
	*eq = '=';
	if (!known && !(dot && dot < eq))
		pass_on(p, word, true);
}

void boot_params_parse(const char *cmdline)
{
	struct boot_params *p = &kernel()->params;
	char *s = p->text, *word;
	bool for_init = false;

	memset(p, 0, sizeof(*p));
	p->loglevel = 7;
	p->ro = true; /* as Linux: init remounts it */
	if (!cmdline)
		cmdline = "";
	if (strlcpy(p->cmdline, cmdline, sizeof(p->cmdline)) >= sizeof(p->cmdline))
		klog_warn("boot line: longer than %zu bytes, cut", sizeof(p->cmdline) - 1);
	strlcpy(p->text, p->cmdline, sizeof(p->text));
	while ((word = next_word(&s))) {
		if (for_init)
			pass_on(p, word, false);
		else if (!strcmp(word, "--"))
			for_init = true;
		else
			take_word(p, word);
	}
	log_set_console_level(p->loglevel);
}
