"""The genealogy of a job: who descends from whom, what each birth changed and gained, and questions about all of them.

- the table: `table` (pedigree.parquet), `parts` (what differs from the parents), `traits` (what a strategy is of);
- a job's: `opening` (from table or journal), `finding` (names of births), `pedigree` (opened), `lines` (descent);
- questions: `questions` (all), `operators`, `founders`, `diversity`, `spread`, `dynasty`; each has an `answers.Answer`;
- two strategies: `comparison`, `comparison_text`; a birth's parents and kin: `trees`, `relatives`;
- the page: `page`, made of `drawing`, `drawing_columns`, `drawing_rules` and the scripts beside them;
- carried away: `carrying`, as `newick`, `graphml` or Parquet.
"""
