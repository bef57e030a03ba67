import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, NavLink, useParams } from "react-router";
import { isLocale } from "../i18n";
import { usePageTitle } from "../ui/Page";
import { Loading, NotThere } from "../ui/states";
import style from "./guide.module.css";
import { type Block, blocksOf, pageOf, type Span, spansOf } from "./markdown";
import { loadPage, PAGES } from "./pages";

function Piece({ span }: { span: Span }) {
  if (span.kind === "strong") return <strong>{span.text}</strong>;
  if (span.kind === "emphasis") return <em>{span.text}</em>;
  if (span.kind === "code") return <code>{span.text}</code>;
  if (span.kind === "text") return span.text;
  const page = pageOf(span.to);
  return page ? <Link to={`/guide/${page}`}>{span.text}</Link> : <span>{span.text}</span>;
}

function Words({ text }: { text: string }) {
  // biome-ignore lint/suspicious/noArrayIndexKey: the text never changes
  return spansOf(text).map((span, index) => <Piece key={index} span={span} />);
}

function Rows({ block }: { block: Extract<Block, { kind: "table" }> }) {
  return (
    <table>
      <thead>
        <tr>
          {block.head.map((cell) => (
            <th key={cell} scope="col">
              {cell}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {block.rows.map((row) => (
          <tr key={row[0]}>
            {row.map((cell) => (
              <td key={cell}>
                <Words text={cell} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Part({ block }: { block: Block }) {
  if (block.kind === "heading") return block.level === 1 ? <h1>{block.text}</h1> : <h2>{block.text}</h2>;
  if (block.kind === "code") return <pre>{block.text}</pre>;
  if (block.kind === "table") return <Rows block={block} />;
  if (block.kind === "paragraph")
    return (
      <p>
        <Words text={block.text} />
      </p>
    );
  const items = block.items.map((item) => (
    <li key={item}>
      <Words text={item} />
    </li>
  ));
  return block.ordered ? <ol>{items}</ol> : <ul>{items}</ul>;
}

/** The guide of docs/guide, one page per role, in the language of the person. */
export function GuidePage() {
  const { t, i18n } = useTranslation();
  const { page = "start" } = useParams();
  const locale = isLocale(i18n.language) ? i18n.language : "fr";
  const { data } = useQuery({
    queryKey: ["guide", locale, page],
    queryFn: () => loadPage(locale, page),
    staleTime: Number.POSITIVE_INFINITY,
  });
  usePageTitle(t("guide.title"));
  if (data === undefined) return <Loading />;
  if (!data) return <NotThere />;
  return (
    <div className={style.guide}>
      <nav aria-label={t("guide.title")}>
        {PAGES.map((name) => (
          <NavLink key={name} to={`/guide/${name}`} aria-current={name === page ? "page" : undefined}>
            {t(`guide.page.${name}`)}
          </NavLink>
        ))}
      </nav>
      <article>
        {blocksOf(data).map((block, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the text never changes
          <Part key={index} block={block} />
        ))}
      </article>
    </div>
  );
}
