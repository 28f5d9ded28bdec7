/**
 * A migration: what each upstream has, as the sum of the content that any of its repositories is linked to.
 * Content of several upstreams counts in each. Links may be there before their content, and after it.
 */
export const UPSTREAM_TOTALS = `
  CREATE TABLE upstream_totals (
    upstream TEXT PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO upstream_totals
    SELECT upstream, count(*), sum(size) FROM (SELECT DISTINCT upstream, digest FROM links)
      JOIN content USING (digest) GROUP BY upstream;

  CREATE TRIGGER link_added AFTER INSERT ON links
    WHEN NOT EXISTS (SELECT 1 FROM links
      WHERE digest = new.digest AND upstream = new.upstream AND repository <> new.repository)
  BEGIN
    INSERT INTO upstream_totals SELECT new.upstream, 1, size FROM content WHERE digest = new.digest
      ON CONFLICT DO UPDATE SET objects = objects + 1, bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER link_removed AFTER DELETE ON links
    WHEN NOT EXISTS (SELECT 1 FROM links WHERE digest = old.digest AND upstream = old.upstream)
  BEGIN
    UPDATE upstream_totals SET objects = objects - 1, bytes = bytes - removed.size
      FROM (SELECT size FROM content WHERE digest = old.digest) AS removed WHERE upstream = old.upstream;
  END;
  CREATE TRIGGER linked_content_added AFTER INSERT ON content BEGIN
    INSERT INTO upstream_totals SELECT DISTINCT upstream, 1, new.size FROM links WHERE digest = new.digest
      ON CONFLICT DO UPDATE SET objects = objects + 1, bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER linked_content_resized AFTER UPDATE OF size ON content BEGIN
    UPDATE upstream_totals SET bytes = bytes + new.size - old.size
      WHERE upstream IN (SELECT upstream FROM links WHERE digest = new.digest);
  END;
  CREATE TRIGGER linked_content_removed AFTER DELETE ON content BEGIN
    UPDATE upstream_totals SET objects = objects - 1, bytes = bytes - old.size
      WHERE upstream IN (SELECT upstream FROM links WHERE digest = old.digest);
  END;`
