-- files of a watch that wait for the marker of their set, as it last said
ALTER TABLE watches ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
