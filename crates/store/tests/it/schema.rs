//! `schema.sql`, which people read, is what the migrations make.

use crate::fixture::{Place, raw};
use sqlx::SqliteConnection;

#[tokio::test]
async fn migrations_from_nothing_give_schema_sql() {
    let migrated = Place::new();
    migrated.open().await.close().await;
    let written = Place::new();
    let mut connection = raw(&written.path()).await;
    sqlx::raw_sql(include_str!("../../schema.sql")).execute(&mut connection).await.unwrap();

    let expected = schema(&mut connection).await;
    let found = schema(&mut raw(&migrated.path()).await).await;
    assert!(expected.len() > 20, "the comparison sees the tables and indexes");
    assert_eq!(found, expected);
}

/// Every table and index as text without comments and spacing, and the rows that a new database starts with.
async fn schema(connection: &mut SqliteConnection) -> Vec<(String, String)> {
    let rows: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT name, sql FROM sqlite_schema ORDER BY name").fetch_all(&mut *connection).await.unwrap();
    let counters: Vec<(String, i64)> =
        sqlx::query_as("SELECT name, value FROM counter ORDER BY name").fetch_all(&mut *connection).await.unwrap();
    let objects = rows.into_iter().map(|(name, sql)| (name, bare(&sql.unwrap_or_default())));
    objects.chain(counters.into_iter().map(|(name, value)| (name, value.to_string()))).collect()
}

fn bare(sql: &str) -> String {
    let words: Vec<&str> = sql.lines().flat_map(|line| line.split("--").next().unwrap().split_whitespace()).collect();
    words.join(" ").replace("( ", "(").replace(" )", ")")
}
