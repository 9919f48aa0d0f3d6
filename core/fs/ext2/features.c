/* SPDX-License-Identifier: MIT */
/*
 * Feature bits: what can be mounted as which type, and what of that can be written. ext2 is written; ext3 and ext4 are read, since a journal and checksums
 * would have to be written with them. A feature nobody has heard of is refused (incompat) or mounted read-only (ro_compat), by name in the log.
 */
#include "ext2.h"

#define INCOMPAT_EXT3 (EXT2_INCOMPAT_SUPP | EXT2_INCOMPAT_RECOVER)
#define RO_EXT3 EXT2_RO_SUPP
/* What can be read. */
#define INCOMPAT_READ                                                                                                                               \
	(INCOMPAT_EXT3 | EXT2_INCOMPAT_EXTENTS | EXT2_INCOMPAT_64BIT | EXT2_INCOMPAT_MMP | EXT2_INCOMPAT_FLEX_BG | EXT2_INCOMPAT_EA_INODE |         \
	 EXT2_INCOMPAT_CSUM_SEED | EXT2_INCOMPAT_LARGE_DIR | EXT2_INCOMPAT_INLINE_DATA | EXT2_INCOMPAT_ENCRYPT | EXT2_INCOMPAT_CASEFOLD)
#define TEXT 160

struct feature {
	u32 bit;
	const char *name;
};
static const struct feature incompat_names[] = {
	{ 0x1, "compression" }, { EXT2_INCOMPAT_RECOVER, "needs_recovery" }, { 0x8, "journal_dev" }, { EXT2_INCOMPAT_EXTENTS, "extents" },
	{ EXT2_INCOMPAT_64BIT, "64bit" }, { EXT2_INCOMPAT_MMP, "mmp" }, { EXT2_INCOMPAT_FLEX_BG, "flex_bg" }, { EXT2_INCOMPAT_EA_INODE, "ea_inode" },
	{ 0x1000, "dirdata" }, { EXT2_INCOMPAT_CSUM_SEED, "metadata_csum_seed" }, { EXT2_INCOMPAT_LARGE_DIR, "large_dir" },
	{ EXT2_INCOMPAT_INLINE_DATA, "inline_data" }, { EXT2_INCOMPAT_ENCRYPT, "encrypt" }, { EXT2_INCOMPAT_CASEFOLD, "casefold" },
};
static const struct feature ro_names[] = {
	{ EXT2_RO_HUGE_FILE, "huge_file" }, { EXT2_RO_GDT_CSUM, "uninit_bg" }, { EXT2_RO_DIR_NLINK, "dir_nlink" }, { 0x80, "has_snapshot" },
	{ EXT2_RO_QUOTA, "quota" }, { EXT2_RO_BIGALLOC, "bigalloc" }, { EXT2_RO_METADATA_CSUM, "metadata_csum" }, { 0x800, "replica" },
	{ EXT2_RO_READONLY, "read-only" }, { EXT2_RO_PROJECT, "project" }, { 0x4000, "shared_blocks" }, { EXT2_RO_VERITY, "verity" },
	{ EXT2_RO_ORPHAN_PRESENT, "orphan_present" },
};

/* Appends the names of bits; returns the new length. */
static size_t features_text(u32 bits, const struct feature *names, unsigned n, char *out, size_t len)
{
	for (unsigned i = 0; i < n; i++) {
		if (bits & names[i].bit)
			len += (size_t)kscnprintf(out + len, TEXT - len, " %s", names[i].name);
		bits &= ~names[i].bit;
	}
	if (bits)
		len += (size_t)kscnprintf(out + len, TEXT - len, " 0x%x", bits);
	return len;
}

static kerr_t refuse(const struct ext2_sb *s, const char *why, u32 incompat)
{
	char text[TEXT] = "";

	(void)features_text(incompat, incompat_names, ARRAY_SIZE(incompat_names), text, 0);
	klog_err("EXT2-fs (%s): cannot mount: %s:%s", s->sb->id, why, text);
	return KERR(EINVAL);
}

/* As Linux: a type takes what its driver of old took. ext4 takes all. */
static kerr_t check_type(const struct ext2_sb *s, bool silent)
{
	const struct ext2_super *es = s->es;
	bool ext3 = !strcmp(s->sb->type->name, "ext3");
	u32 incompat = es->rev_level ? es->feature_incompat & ~(ext3 ? INCOMPAT_EXT3 : EXT2_INCOMPAT_SUPP) : 0;

	if (!strcmp(s->sb->type->name, "ext4"))
		return KERR(0);
	if (ext3 && !(es->feature_compat & EXT2_COMPAT_HAS_JOURNAL)) {
		if (!silent)
			klog_err("EXT2-fs (%s): cannot mount as ext3: there is no journal", s->sb->id);
		return KERR(EINVAL);
	}
	if (!incompat)
		return KERR(0);
	return silent ? KERR(EINVAL) : refuse(s, "it is an ext4 file system, with features", incompat);
}

void ext2_log_read_only(const struct ext2_sb *s, const char *what)
{
	const struct ext2_super *es = s->es;
	char text[TEXT] = "";
	size_t len = 0;

	if (es->feature_compat & EXT2_COMPAT_HAS_JOURNAL)
		len += (size_t)kscnprintf(text, TEXT, " has_journal");
	len = features_text(es->feature_incompat & ~EXT2_INCOMPAT_SUPP, incompat_names, ARRAY_SIZE(incompat_names), text, len);
	(void)features_text(es->feature_ro_compat & ~EXT2_RO_SUPP, ro_names, ARRAY_SIZE(ro_names), text, len);
	klog_warn("EXT2-fs (%s): %s, these features are not written:%s", s->sb->id, what, text);
}

kerr_t ext2_check_features(struct ext2_sb *s, bool read_only, bool silent)
{
	const struct ext2_super *es = s->es;
	u32 unknown = es->feature_incompat & ~INCOMPAT_READ;
	kerr_t err;

	if (es->rev_level && unknown)
		return refuse(s, "unsupported features", unknown);
	err = check_type(s, silent);
	if (err)
		return err;
	s->no_write_features = (es->feature_compat & EXT2_COMPAT_HAS_JOURNAL) ||
			       (es->rev_level && ((es->feature_incompat & ~EXT2_INCOMPAT_SUPP) || (es->feature_ro_compat & ~EXT2_RO_SUPP)));
	if (s->no_write_features && !read_only)
		ext2_log_read_only(s, "mounted read-only");
	return KERR(0);
}
